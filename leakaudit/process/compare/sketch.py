"""Curves over each other as text: dots of Braille characters, two across and four down to a character."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from leakaudit.process.marks import Points

BLANK = 0x2800
#: The bit of each dot, by column and row (Unicode, Braille Patterns).
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
FROM_ZERO = 0.5  # a floor below this share of the top starts the axis at 0

Cell = tuple[str, int]
Dot = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Curve:
    """A series with the letter that names it."""

    letter: str
    points: Points


@dataclass(frozen=True, slots=True)
class Sketch:
    """Rows from top to bottom, each of (character, index of the curve on top of it; -1: none).

    `low` and `high` are the values at the bottom and the top, `seconds` is the time at the right end.
    """

    rows: tuple[tuple[Cell, ...], ...]
    low: float
    high: float
    seconds: float


def sketch(curves: Sequence[Curve], width: int, height: int) -> Sketch:
    """Draw curves into `width` by `height` characters; each ends in its letter. Each has to have a point."""
    values = [v for curve in curves for _, v in curve.points]
    high, low = max(values), min(values)
    low = 0.0 if low < FROM_ZERO * high else low
    seconds = max(curve.points[-1][0] for curve in curves) or 1.0
    across, down = 2 * width - 1, 4 * height - 1
    bits: dict[Dot, int] = {}
    owner: dict[Dot, int] = {}
    letters: dict[Dot, str] = {}
    for index, curve in enumerate(curves):
        dots = [
            (round(t / seconds * across), down - round((v - low) / (high - low or 1.0) * down))
            for t, v in curve.points
        ]
        for x, y in _joined(dots):
            cell = (x // 2, y // 4)
            bits[cell] = bits.get(cell, 0) | DOTS[x % 2][y % 4]
            owner[cell] = index
        cell = _free((dots[-1][0] // 2 + 1, dots[-1][1] // 4), letters)
        letters[cell], owner[cell] = curve.letter, index
    wide = max((x for x, _ in letters), default=0) + 1
    rows = tuple(
        tuple(
            (
                letters.get((x, y)) or chr(BLANK + bits[x, y] if (x, y) in bits else ord(" ")),
                owner.get((x, y), -1),
            )
            for x in range(max(width, wide))
        )
        for y in range(height)
    )
    return Sketch(rows, low, high, seconds)


def _joined(dots: Sequence[Dot]) -> Iterator[Dot]:
    """Yield all dots of the lines between neighbours."""
    yield dots[0]
    for (x, y), (to_x, to_y) in pairwise(dots):
        steps = max(abs(to_x - x), abs(to_y - y))
        for step in range(1, steps + 1):
            yield x + round((to_x - x) * step / steps), y + round((to_y - y) * step / steps)


def _free(cell: Dot, taken: dict[Dot, str]) -> Dot:
    """Return this cell, or the next one to its right that holds no letter."""
    x, y = cell
    while (x, y) in taken:
        x += 1
    return x, y
