"""Curves as text and as pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from compare_samples import compared

from leakaudit.errors import UsageError
from leakaudit.process.compare.picture import Picture, draw, parse_picture
from leakaudit.process.compare.sketch import Curve, sketch


def lines(*curves: Curve) -> list[str]:
    return ["".join(char for char, _ in row) for row in sketch(curves, 20, 4).rows]


def test_a_rising_line_goes_from_corner_to_corner() -> None:
    drawn = lines(Curve("A", [(0.0, 0.0), (1.0, 39.0)]))
    assert drawn[3][0] == "⡠"[0] or ord(drawn[3][0]) > 0x2800
    assert drawn[0][19] != " "
    assert drawn[0][20] == "A"
    assert drawn[0][0] == drawn[3][19] == " "


def test_letters_of_curves_that_end_together_stand_side_by_side() -> None:
    flat = [(0.0, 5.0), (1.0, 5.0)]
    assert any(line.rstrip().endswith("AB") for line in lines(Curve("A", flat), Curve("B", flat)))


def test_the_axis_starts_at_zero_unless_little_moves() -> None:
    assert sketch([Curve("A", [(0.0, 10.0), (1.0, 100.0)])], 20, 4).low == 0.0
    assert sketch([Curve("A", [(0.0, 90.0), (1.0, 100.0)])], 20, 4).low == 90.0


def test_one_point_is_a_dot() -> None:
    assert "".join(lines(Curve("A", [(0.0, 7.0)]))).replace(" ", "").endswith("A")


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_pictures_are_drawn(tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = parse_picture(str(tmp_path / f"curves.{suffix}"))
    draw(Picture(path, "Three runs"), compared(("growing", "growing"), ("stable",)))
    assert path.read_bytes().startswith(magic)


def test_an_svg_is_text_and_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in paths:
        draw(Picture(path, "Three runs"), compared(("growing", "growing"), ("stable",)))
    first = paths[0].read_text(encoding="utf-8")
    assert first == paths[1].read_text(encoding="utf-8")
    assert set(re.findall(r">(MODE=\w|Three runs)<", first)) == {"MODE=a", "MODE=b", "Three runs"}
    assert len(first) < 100_000


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match=r"\.svg"):
        parse_picture("curves.gif")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install"):
        parse_picture("curves.svg")
