"""Files that no scan may stumble over: each becomes facts or an error with its reason, and soon."""

from __future__ import annotations

import sys
import sysconfig
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leakaudit.errors import SourceError
from leakaudit.facts.extract import extract
from leakaudit.scan.api import ScanOptions, scan
from leakaudit.scan.extraction import extract_each
from leakaudit.scan.pipeline import collect, survey
from leakaudit.source import MAX_BYTES

#: Seconds of processor time that any of these may take; real ones take far less.
PATIENCE_S = 30

READABLE = {
    "empty": b"",
    "only a comment": b"# nothing",
    "byte order mark": b"\xef\xbb\xbfx = {}\n",
    "latin-1": b"# -*- coding: latin-1 -*-\nname = '\xe9'\n",
    "utf-16 would hold NUL, koi8-r does not": b"# coding: koi8-r\nx = '\xc1'\n",
    "carriage returns": b"x = {}\rdef f(k):\r    x[k] = 1\r",
    "form feeds": b"x = {}\n\x0c\ndef f(k):\n    x[k] = '\x0c'\n",
    "no newline at the end": b"x = 1",
    "backslash at the end of a line": b"x = 1 + \\\n    2\n",
    "a long line": b"x = [" + b"1, " * 100_000 + b"]\n",
    "a long literal of literals": b"x = {" + b"'a': [1, {2: 3}], " * 20_000 + b"}\n",
    "many functions": b"".join(b"def f%d(a, b=[]):\n    a.append(b)\n" % i for i in range(10_000)),
    "one function of many statements": b"def f(self):\n" + b"    self.x.append(open(self.y))\n" * 10_000,
    "one function of many early exits": b"def f(x):\n" + b"    if x: return\n    x.append(1)\n" * 5_000,
    "many races": b"import asyncio\nasync def f():\n"
    + b"    await asyncio.wait([t], return_when=asyncio.FIRST_COMPLETED)\n" * 300,
    "many resources": b"def f():\n"
    + b"".join(b"    a%d = open('x')\n    a%d.close()\n" % (i, i) for i in range(500)),
    "many handlers": b"def f():\n" + b"    try: x = open('a')\n    except OSError as e: y = e\n" * 2_000,
    "a chain of 500 calls": b"x = a" + b".b()" * 500 + b"\n",
    "a sum of 900 terms": b"x = " + b" + ".join([b"[a]"] * 900) + b"\n",
    "names that are not ASCII": "schlüssel = {}\ndef größe(ключ):\n    schlüssel[ключ] = '\U0001f600'\n".encode(),
    "matching": b"match x:\n    case {'a': [1, *rest], **more} if rest: more[1] = rest\n    case P(x=1) as p: pass\n",
    "star expressions": b"print(*a, **b)\n*a, b = c\nx = [*a, *b]\nx[*a] = 1\n"
    if sys.version_info >= (3, 11)
    else b"",
    "names of its own": b"self = self.self\nsuper().x.append(super())\nself.self.self = cls\n",
    "globals everywhere": b"global x\nx = {}\ndef f():\n    global x, y\n    x[y] = y\n    class C:\n        nonlocal_ = x\n",
    "an alias of itself": b"def f():\n    a = b\n    b = a\n    a = a.a\n    b.append(a[b])\n",
    "deletions": b"def f(x):\n    del x, x[0], x.y, (x, [x])\n    del x[:]\n",
    "lambdas": b"f = lambda a=[], *b, c={}, **d: (lambda: (yield))\n",
    "walrus": b"while (x := f(x)) and [y := 1, y**2]: x.append(y)\n",
    "f-strings": b"x = f'{a!r:>{width}} {f\"{b}\"} {{}} {c=}'\n",
    "decorators": b"@a.b[c](d)\n@(lambda f: f)\nclass C(metaclass=M, **k):\n    @property\n    def x(self): return self\n",
    "generic functions": b"def f[T: int, *U, **V](x: T) -> T: ...\ntype X[T] = dict[str, T]\nclass C[T]: ...\n"
    if sys.version_info >= (3, 12)
    else b"",
    "exception groups": b"try: pass\nexcept* ValueError as e: x = e\n"
    if sys.version_info >= (3, 11)
    else b"",
}

UNREADABLE = {
    "Python 2": (b"import os\nprint 'hello'\n", "print"),
    "Python 2 exception": (b"try: pass\nexcept E, e: pass\n", ""),
    "not Python at all": (b"<html>\n", "invalid syntax"),
    "NUL bytes": (b"x = 1\0\n", "NUL"),
    "UTF-16": ("x = 1\n".encode("utf-16"), "NUL"),
    "not UTF-8": (b"x = '\xe9'\n", "not valid utf-8 (byte 0xe9 in line 1)"),
    "unknown encoding": (b"# coding: klingon\n", "coding line"),
    "a codec that is none of text": (b"# coding: rot13\nk = 1\n", "coding line"),
    "ten megabytes": (b"x = 1\n" * 1_700_000, "larger than"),
    "parentheses, deep": (b"(" * 5_000 + b")" * 5_000, "nested"),
    "a chain of 300,000 calls": (b"a" + b"()" * 300_000, "nest"),
    "a sum of 300,000 terms": (b"x = " + b"+".join([b"a"] * 300_000), "nest"),
    "minus signs": (b"x = " + b"-" * 50_000 + b"1\n", ""),
    "lambdas in lambdas": (b"x = " + b"lambda: " * 20_000 + b"1\n", ""),
    "blocks in blocks": (b"".join(b" " * i + b"if a:\n" for i in range(200)) + b" " * 200 + b"pass\n", ""),
    "an unfinished string": (b'x = """\n' + b"a\n" * 1000, "unterminated"),
    "bad indentation": (b"if a:\npass\n", "indented"),
    "return outside a function is for the compiler": (b"return (\n", ""),
}


def extracted(tmp_path: Path, data: bytes) -> tuple[bool, str, float]:
    """Whether there are facts, the reason why not, and the seconds that it took."""
    path = tmp_path / "nasty.py"
    path.write_bytes(data)
    started = time.process_time()
    (found,) = extract_each([str(path)], PATIENCE_S)
    return found.facts is not None, found.reason, time.process_time() - started


@pytest.mark.parametrize("name", READABLE)
def test_odd_but_readable(name: str, tmp_path: Path) -> None:
    has_facts, reason, seconds = extracted(tmp_path, READABLE[name])
    assert has_facts, reason
    assert seconds < PATIENCE_S


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_with_a_reason(name: str, tmp_path: Path) -> None:
    data, word = UNREADABLE[name]
    has_facts, reason, seconds = extracted(tmp_path, data)
    assert not has_facts
    assert word in reason
    assert "leakaudit failed" not in reason, "a refusal, not a bug"
    assert seconds < PATIENCE_S


def test_the_largest_file_that_is_read(tmp_path: Path) -> None:
    line = b"    def method(self, key): self.entries[key] = self.other.append(key)\n"
    data = b"class C:\n" + line * ((MAX_BYTES - 10) // len(line))
    has_facts, reason, seconds = extracted(tmp_path, data)
    assert has_facts, reason
    assert seconds < PATIENCE_S


def test_one_scan_of_them_all(tmp_path: Path) -> None:
    """Every file is either audited or an error, no rule fails, and the good file's finding is there."""
    for number, (name, data) in enumerate([*READABLE.items(), *((n, d) for n, (d, _) in UNREADABLE.items())]):
        (tmp_path / f"f{number}.py").write_bytes(data)
        assert name
    (tmp_path / "leaks.py").write_text(
        "_seen = {}\n\n\nasync def handle(request):\n    _seen[request.id] = request\n"
    )
    report = scan([tmp_path], ScanOptions(jobs=1, cache=False))
    assert report.files == len(READABLE) + 1
    assert len(report.errors) == len(UNREADABLE)
    assert not [error for error in report.errors if error.rule]
    assert "leaks._seen" in {finding.symbol for finding in report.findings}


SYNTAX = Path(sysconfig.get_paths()["stdlib"]) / "test"


@pytest.mark.slow
def test_pythons_own_tests() -> None:
    """CPython tests its parser with them."""
    paths = sorted(str(path) for path in SYNTAX.rglob("*.py"))
    if len(paths) < 100:
        pytest.skip("this Python comes without its tests")
    found = collect(survey(paths))
    bugs = [r for r in found.records if "leakaudit failed" in r.reason or "took longer" in r.reason]
    assert bugs == []
    assert len(found.facts) > 0.9 * len(paths)


NAMES = st.sampled_from(
    ["a", "b", "self", "cls", "x.y", "f()", "a[b]", "*a", "1", "'s'", "[]", "{}", "lambda: a"]
)
STATEMENTS = st.sampled_from(
    """{0} = {1}|{0}.append({1})|{0}[{1}] = {2}|del {0}[{1}]|return {0}|raise {0}|if {0}: return|for {0} in {1}: {2}
{0} += {1}|with {0} as b: {1}|while {0}: {1}|try: {0}
except {1} as e: {2}|global a|nonlocal b|import {0}|from . import a|yield {0}|await {0}|assert {0}, {1}|pass
{0} = {1} if {2} else {0}|{0}({1}, k={2})|{0} = [{1} for a in {2} if {0}]|match {0}:
    case {1}: {2}|{0}: {1} = {2}|@{0}
def g(a, b={1}): {2}|class C({0}): {1}""".split("|")
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Something like Python: statements of random names, in functions and classes of random depth."""
    lines: list[str] = []
    depth = 0
    for _ in range(draw(st.integers(1, 12))):
        text = draw(STATEMENTS).format(draw(NAMES), draw(NAMES), draw(NAMES))
        lines += [" " * depth + line for line in text.split("\n")]
        if depth < 8 and draw(st.booleans()):
            lines.append(
                " " * depth
                + draw(st.sampled_from(["def f(self, a):", "async def h():", "class D:", "if a:"]))
            )
            depth += 1
            lines.append(" " * depth + "pass")
    return "\n".join(lines) + "\n"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_whatever_parses_gives_facts(text: str) -> None:
    try:
        compile(text, "x", "exec", dont_inherit=True, flags=0x400)  # ast.PyCF_ONLY_AST
    except SyntaxError:
        with pytest.raises(SourceError):
            extract(text)
    else:
        assert extract(text).lines == text.count("\n") + 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_facts_or_a_reason(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.py"
    path.write_bytes(data)
    (found,) = extract_each([str(path)])
    assert (found.facts is None) == bool(found.reason)
    assert "leakaudit failed" not in found.reason
