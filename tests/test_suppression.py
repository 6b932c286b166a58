"""Comments silence exactly what they name, on the statement that they stand with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakaudit.findings import Confidence, Finding, Location, Related, Severity
from leakaudit.findings.suppression import Comment, apply, complaints, parse

PIECES = (
    "# leakaudit: ", "ignore", "-file", "[LA101]", "[", "]", "bounded=", " why", "# noqa: LA101", "\n", "\r", "\t",
    "x = 1", "(", ")", "'", '"""', "@d", "def f():", "\n    ", "\\\n", "é", "\x0c", "#",
)  # fmt: skip


def finding(
    line: int, rule: str = "LA101", name: str = "unbounded-mapping", end_line: int | None = None
) -> Finding:
    return Finding(
        rule=rule,
        name=name,
        location=Location("a.py", line, 1, end_line),
        symbol="a.x",
        message="grows",
        severity=Severity.WARNING,
        confidence=Confidence.HIGH,
    )


def silenced(text: str, *findings: Finding) -> list[bool]:
    applied = apply(findings, {"a.py": parse(text)})
    return [item.suppressed is not None for item in applied.findings]


@pytest.mark.parametrize(
    ("comment", "codes", "reason"),
    [
        ("# leakaudit: ignore[LA101]", ("LA101",), ""),
        (
            "# leakaudit: ignore[LA101, unbounded-mapping] -- few tenants",
            ("LA101", "unbounded-mapping"),
            "few tenants",
        ),
        ("#leakaudit:ignore[la101] few tenants", ("LA101",), "few tenants"),
        ("# leakaudit: ignore", (), ""),
        ("# type: ignore  # leakaudit: ignore[LA101] why  # noqa: E501", ("LA101",), "why"),
    ],
)
def test_ignore(comment: str, codes: tuple[str, ...], reason: str) -> None:
    (parsed,) = parse(f"x = 1\n_hits = {{}}  {comment}\n")
    assert parsed == Comment(2, "ignore", codes, reason, 2, 2)


def test_other_comments_and_strings_are_not_directives() -> None:
    assert parse("x = '# leakaudit: ignore'\n") == ()
    assert (
        parse("# see leakaudit: it finds leaks\n# type: ignore\n# noqa\n# noqa: E501\n# noqa: E501 LAW1\n")
        == ()
    )


def test_an_ignored_rule_is_silenced_and_others_are_not() -> None:
    text = "_hits = {}  # leakaudit: ignore[LA101] few tenants\n"
    applied = apply([finding(1), finding(1, "LA104", "per-key-lock-map"), finding(2)], {"a.py": parse(text)})
    first, second, third = applied.findings
    assert first.suppressed is not None
    assert (first.suppressed.by, first.suppressed.reason, first.suppressed.location) == (
        "comment",
        "few tenants",
        Location("a.py", 1),
    )
    assert second.suppressed is None
    assert third.suppressed is None
    assert applied.unused == ()


@pytest.mark.parametrize("code", ["LA101", "unbounded-mapping", "Unbounded_Mapping"])
def test_codes_and_names_both_work(code: str) -> None:
    assert silenced(f"x = {{}}  # leakaudit: ignore[{code}]\n", finding(1)) == [True]


def test_a_comment_speaks_of_its_whole_statement() -> None:
    text = "x = dict(\n    a=1,\n)  # leakaudit: ignore[LA101]\ny = {}\n"
    assert silenced(text, finding(1), finding(2), finding(4)) == [True, True, False]


def test_a_comment_of_its_own_line_speaks_of_the_next_statement() -> None:
    text = "a = 1\n# leakaudit: ignore[LA101]\n\n# more prose\nx = dict(\n    a=1)\ny = {}\n"
    assert silenced(text, finding(1), finding(5), finding(6), finding(7)) == [False, True, True, False]


def test_a_decorator_belongs_to_its_function() -> None:
    text = "# leakaudit: ignore[LA101]\n@a\n@b\ndef f():\n    x = {}\n"
    assert silenced(text, finding(2), finding(4), finding(5)) == [True, True, False]
    text = "@a  # leakaudit: ignore[LA101]\ndef f():\n    x = {}\n"
    assert silenced(text, finding(2), finding(3)) == [True, False]


def test_a_comment_within_the_range_of_the_finding_counts() -> None:
    text = "class A:\n    x = 1  # leakaudit: ignore[LA101]\n"
    assert silenced(text, finding(1, end_line=2), finding(1)) == [True, False]


def test_a_comment_on_a_related_line_counts() -> None:
    text = "x = {}\n\nx[k] = 1  # leakaudit: ignore[LA101]\n"
    related = Related(Location("a.py", 3), "grows here")
    source = finding(1)
    linked = Finding(
        **{**{f: getattr(source, f) for f in source.__dataclass_fields__}, "related": (related,)}
    )
    assert silenced(text, linked) == [True]
    bounded = text.replace("ignore[LA101]", "bounded=one per tenant")
    assert silenced(bounded, linked) == [False]


def test_bounded_speaks_for_the_container_where_it_is_created() -> None:
    text = "x = {}  # leakaudit: bounded=one per configured tenant\n"
    applied = apply([finding(1)], {"a.py": parse(text)})
    assert applied.findings[0].suppressed is not None
    assert applied.findings[0].suppressed.reason == "one per configured tenant"


def test_ignore_file() -> None:
    text = "x = {}\n# leakaudit: ignore-file[LA101] generated\n"
    assert silenced(text, finding(1), finding(99), finding(1, "LA104", "p")) == [True, True, False]


def test_noqa_needs_the_code() -> None:
    assert silenced("x = {}  # noqa: E501,LA101\n", finding(1), finding(1, "LA104", "p")) == [True, False]
    assert silenced("x = {}  # noqa\n", finding(1)) == [False]
    assert silenced("x = {}  # noqa: E501 mentions LA101 as prose\n", finding(1)) == [False]


def test_a_file_that_cannot_be_tokenized_keeps_what_was_read() -> None:
    (comment,) = parse("x = {}  # leakaudit: ignore[LA101]\ny = (\n")
    assert comment.codes == ("LA101",)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_text_can_be_parsed_and_applied(text: str) -> None:
    comments = parse(text)
    for comment in comments:
        assert 1 <= comment.first <= comment.last
        assert comment.verb or comment.problem
    applied = apply([finding(line) for line in (1, 2, 5)], {"a.py": comments})
    assert len(applied.findings) == 3
    assert set(applied.unused) <= {("a.py", comment) for comment in comments}


KNOWN = {"LA101", "unbounded-mapping", "LA104", "per-key-lock-map"}


@pytest.mark.parametrize(
    ("comment", "ran", "note"),
    [
        ("ignore[LA101]", KNOWN, "a.py:1: unused suppression `ignore[LA101]`: nothing to silence here"),
        ("ignore", KNOWN, "a.py:1: unused suppression `ignore`: nothing to silence here"),
        ("ignore[LA999]", KNOWN, "a.py:1: `ignore` names no known rule: LA999"),
        ("ignore[]", KNOWN, "a.py:1: not understood: `ignore[]`; the brackets hold rule codes or names"),
        ("ingore[LA101]", KNOWN, "a.py:1: not understood: `ingore[LA101]`; ignore[...], ignore-file[...] or bounded=reason?"),
        ("bounded=", KNOWN, "a.py:1: `bounded=` lacks its reason: what keeps the container from growing?"),
        ("ignore[LA101]", {"LA104", "per-key-lock-map"}, None),
        ("ignore", {"LA104", "per-key-lock-map"}, None),
    ],
)  # fmt: skip
def test_a_comment_that_silences_nothing_is_named(comment: str, ran: set[str], note: str | None) -> None:
    applied = apply([], {"a.py": parse(f"x = 1  # leakaudit: {comment}\n")})
    assert complaints(applied.unused, KNOWN, ran) == ((note,) if note else ())


def test_a_used_comment_is_not_named() -> None:
    applied = apply([finding(1)], {"a.py": parse("x = {}  # leakaudit: ignore[LA101]\n")})
    assert complaints(applied.unused, KNOWN, KNOWN) == ()
