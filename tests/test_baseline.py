"""The baseline knows findings by fingerprint: lines and files may move, a new finding is new."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from leakaudit.errors import UsageError
from leakaudit.findings import Confidence, Finding, Location, Severity, Suppression
from leakaudit.findings.baseline import Entry, apply, difference, load, write

ONE = Finding(
    rule="LA101",
    name="unbounded-mapping",
    location=Location("b.py", 3),
    symbol="b._hits",
    message="grows",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
)
TWO = replace(ONE, location=Location("a.py", 9), symbol="a._seen")


def test_what_was_written_is_silenced_wherever_it_moved(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert write(path, [ONE]) == 1
    moved = replace(ONE, location=Location("lib/b.py", 300), message="other words")
    applied = apply([moved, TWO], load(path))
    assert [item.suppressed for item in applied.findings] == [Suppression("baseline"), None]
    assert applied.fixed == ()


def test_the_file_is_sorted_and_holds_a_line_per_finding(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, [ONE, TWO])
    text = path.read_text()
    write(path, [TWO, ONE])
    assert path.read_text() == text
    assert [line.split('"symbol": ')[1].split(",")[0] for line in text.splitlines() if "symbol" in line] == [
        '"a._seen"',
        '"b._hits"',
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_baseline_loads(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert write(path, []) == 0
    assert load(path) == ()


def test_an_entry_covers_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, [ONE])
    applied = apply([ONE, ONE], load(path))
    assert [item.suppressed is None for item in applied.findings] == [False, True]
    write(path, [ONE, ONE])
    assert apply([ONE], load(path)).fixed == (Entry("b.py", "b._hits", "LA101", ONE.fingerprint),)


def test_the_surest_of_several_of_a_kind_is_covered(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, [ONE])
    hidden = replace(ONE, location=Location("b.py", 1), confidence=Confidence.LOW)
    applied = apply([hidden, ONE], load(path))
    assert [item.suppressed for item in applied.findings] == [None, Suppression("baseline")]


def test_what_is_gone_counts_as_fixed(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, [ONE, TWO])
    assert [entry.symbol for entry in apply([ONE], load(path)).fixed] == ["a._seen"]


def test_the_difference_to_an_earlier_baseline_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert difference(path, [ONE]) == (0, 0)
    write(path, [ONE, ONE])
    assert difference(path, [ONE, TWO]) == (1, 1)
    path.write_text("{")
    assert difference(path, [ONE]) == (0, 0)


def test_a_comment_keeps_its_word_over_the_baseline(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, [ONE])
    commented = replace(ONE, suppressed=Suppression("comment", "few"))
    applied = apply([commented], load(path))
    assert applied.findings == (commented,)
    assert applied.fixed == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a baseline, or damaged"),
        ("[]", "not a baseline of this version"),
        ('{"schema": "leakaudit/baseline/v2", "findings": []}', "not a baseline of this version"),
        ('{"schema": "leakaudit/baseline/v1", "findings": [{}]}', "damaged"),
        ('{"schema": "leakaudit/baseline/v1"}', "damaged"),
    ],
)
def test_a_damaged_baseline_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load(path)


def test_a_missing_baseline_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--write-baseline"):
        load(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot write"):
        write(tmp_path / "no" / "folder.json", [])


def test_nothing_but_a_baseline_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("precious")
    with pytest.raises(UsageError, match="is not a baseline"):
        write(path, [ONE])
    assert path.read_text() == "precious"
    path.write_text("")
    assert write(path, [ONE]) == 1
    path.write_text(path.read_text()[:-20])
    assert write(path, [ONE]) == 1


def test_a_device_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert difference(pipe, [ONE]) == (0, 0)
    with pytest.raises(UsageError, match="no file that could hold a baseline"):
        load(pipe)
    with pytest.raises(UsageError, match="is not a baseline"):
        write(pipe, [ONE])
