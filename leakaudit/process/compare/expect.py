"""What the user expects of a setting, and whether it came out so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from leakaudit.errors import UsageError
from leakaudit.process.budget import parse_size
from leakaudit.process.compare.helped import base_of
from leakaudit.process.compare.outcome import NUMBERS, Outcome
from leakaudit.process.compare.ratio import ratio
from leakaudit.process.trend import Shape

#: A word that covers several trends -> those trends. Any trend's own word covers itself.
FAMILIES: dict[str, frozenset[Shape]] = {
    "growing": frozenset(shape for shape in Shape if shape.grows),
    "stable": frozenset((Shape.STABLE, Shape.PLATEAU)),
    "bounded": frozenset(
        (Shape.STABLE, Shape.PLATEAU, Shape.STEP, Shape.SAWTOOTH, Shape.SPIKY),
    ),
}
LIMIT = re.compile(r"(?P<figure>[a-z]+)\s*(?P<sign>[<>])\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z/]*)")
BY_RATIO = ("peak", "end", "time")


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure's bound: bytes, seconds or bytes per second; `relative`: times what it is without what is named.

    That is the setting in which the dimensions that the expectation names have their first values.
    """

    figure: str
    below: bool
    bound: float
    relative: bool


@dataclass(frozen=True, slots=True)
class Expectation:
    """`text` as the user wrote it; the (dimension, value) pairs that a setting must have; a trend or a limit."""

    text: str
    where: tuple[tuple[str, str], ...]
    shapes: frozenset[Shape] = frozenset()
    limit: Limit | None = None

    def covers(self, outcome: Outcome) -> bool:
        """Whether it speaks of this setting."""
        return set(self.where) <= set(outcome.setting.values)


@dataclass(frozen=True, slots=True)
class Check:
    """An expectation beside one setting's outcome; `found` says what came out instead or as well."""

    expectation: Expectation
    setting: str
    met: bool
    found: str


def parse_expectation(text: str, dimensions: dict[str, tuple[str, ...]]) -> Expectation:
    """Return the expectation of `NAME=VALUE,...:TREND`, `...:peak<1.2x` or `TREND`; raises UsageError.

    `dimensions` are those that are compared, with their values.
    """
    left, colon, right = text.rpartition(":")
    where = _where(text, left, dimensions) if colon and left.strip() not in ("", "*") else ()
    right = right.strip()
    match = LIMIT.fullmatch(right)
    if match:
        return Expectation(text, where, limit=_limit(text, match))
    return Expectation(text, where, shapes=_shapes(text, right))


def check(expectations: Sequence[Expectation], outcomes: Sequence[Outcome]) -> tuple[Check, ...]:
    """Compare every expectation with each setting that it speaks of; the first outcome has all first values."""
    return tuple(
        _check(expectation, outcome, _base(expectation, outcome, outcomes))
        for expectation in expectations
        for outcome in outcomes
        if expectation.covers(outcome)
    )


def _where(text: str, left: str, dimensions: dict[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in left.split(","):
        name, equals, value = (item.strip() for item in part.partition("="))
        if not equals or name not in dimensions:
            known = ", ".join(dimensions) or "nothing: pass --env, --vary or --settings"
            raise UsageError(f"--expect {text!r} speaks of `{name}`, which is not varied", f"varied: {known}")
        if value not in dimensions[name]:
            known = ", ".join(v or "(empty)" for v in dimensions[name])
            raise UsageError(f"--expect {text!r}: {name} is never `{value}`", f"its values: {known}")
        pairs.append((name, value))
    return tuple(pairs)


def _shapes(text: str, right: str) -> frozenset[Shape]:
    words = {shape.value.replace(" ", "-"): frozenset((shape,)) for shape in Shape} | FAMILIES
    found: frozenset[Shape] = frozenset()
    for word in right.split("|"):
        name = word.strip().replace(" ", "-")
        if name not in words:
            raise UsageError(
                f"--expect {text!r}: `{word.strip()}` is neither a trend nor a limit",
                f"write one of {', '.join(sorted(words))}, or a limit such as peak<1.2x, end<300MB, time<20s",
            )
        found |= words[name]
    return found


def _limit(text: str, match: re.Match[str]) -> Limit:
    figure, number, unit = match["figure"], match["number"], match["unit"]
    below = match["sign"] == "<"
    if figure not in NUMBERS:
        raise UsageError(
            f"--expect {text!r}: there is no figure `{figure}`", f"figures: {', '.join(NUMBERS)}"
        )
    if unit == "x":
        if figure not in BY_RATIO:
            raise UsageError(f"--expect {text!r}: a rate may be nothing", "give its limit as 1MB/s")
        return Limit(figure, below, float(number), relative=True)
    if figure == "time":
        if unit not in ("", "s"):
            raise UsageError(f"--expect {text!r}: `{unit}` is no unit of time", "give seconds, or 1.2x")
        return Limit(figure, below, float(number), relative=False)
    return Limit(figure, below, parse_size(number + unit.removesuffix("/s")), relative=False)


def _base(expectation: Expectation, outcome: Outcome, outcomes: Sequence[Outcome]) -> Outcome:
    names = [name for name, _ in expectation.where]
    return base_of(outcome, names, outcomes) if names else outcomes[0]


def _check(expectation: Expectation, outcome: Outcome, base: Outcome) -> Check:
    name = outcome.setting.name
    if not outcome.runs:
        return Check(expectation, name, met=False, found="no run ended well")
    if expectation.limit is not None:
        return _check_limit(expectation, expectation.limit, outcome, base)
    fitting = sum(run.trend.shape in expectation.shapes for run in outcome.runs)
    seen = ", ".join(f"{shape.value} in {count}" for shape, count in outcome.trends)
    met = 2 * fitting > len(outcome.runs)
    reason = "" if met else f" ({_odd(expectation, outcome)})"
    return Check(expectation, name, met, f"{seen} of {len(outcome.runs)}{reason}")


def _odd(expectation: Expectation, outcome: Outcome) -> str:
    """Return why the first run that does not fit has the trend that it has."""
    return next(run.trend.reason for run in outcome.runs if run.trend.shape not in expectation.shapes)


def _check_limit(expectation: Expectation, limit: Limit, outcome: Outcome, base: Outcome) -> Check:
    from leakaudit.report import units

    value = outcome.median(limit.figure)
    if not limit.relative:
        met = value < limit.bound if limit.below else value > limit.bound
        shown = units.seconds(value) if limit.figure == "time" else units.size(value)
        return Check(expectation, outcome.setting.name, met, f"{limit.figure} {shown}")
    read = NUMBERS[limit.figure]
    times = ratio([read(run) for run in outcome.runs], [read(run) for run in base.runs])
    if times is None:
        return Check(
            expectation, outcome.setting.name, met=False, found=f"no good run of {base.setting.name}"
        )
    met = times.value < limit.bound if limit.below else times.value > limit.bound
    return Check(expectation, outcome.setting.name, met, f"{limit.figure} {times.value:.2f} times")
