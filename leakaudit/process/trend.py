"""Name the trend of a series: does it grow, and if not, what does it do.

The rule looks at low-water marks only. A series grows when, after its warm-up, the marks rise in many places, without
long pauses, without one rise that makes up most of it, and without tiring. What has not been seen for long enough to
say so is inconclusive. `docs/trends.md` has the measured rates of false and missed alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from leakaudit.process.growth import Growth, growth
from leakaudit.process.marks import Cycles, Marks, Points, cycles, jitter, low_marks
from leakaudit.process.plain import FEWEST, plain_growth
from leakaudit.process.rate import Rate, rate

FLOOR_BYTES = 256 * 1024.0
FLOOR_COUNT = 4.0

CELLS = 24
COARSE_CELLS = 12
PER_CELL = 4  # samples, where a series is noisy
LEAST_CELLS = 8
# Shares of the window that may be start-up, and in which share of the rest's cells the marks have to rise.
STARTS = ((0.0, 0.3), (0.25, 0.28), (0.5, 0.35))
FEWEST_RISES = 4
NOISES = 4.0  # a gain counts from this many times the marks' noise
PAUSE = 0.35
LARGEST = 0.5
SPREAD = 3.6  # equal rises, of which no few may make up the gain; of few cells, the share of them
SPREAD_SHARE = 0.8
FEW_CYCLES = 5
MANY_RISES = 7
MATTERS = 0.3  # cycles higher than this share of the range hide the low-water mark between their troughs
ALOFT = 0.3
FADING = -1.5  # standard errors
SPIKE = 10.0  # times the jitter between samples; noise alone reaches six or seven above its own minimum


class Shape(str, Enum):
    """The trends that are told apart; their values are the words that reports print."""

    STABLE = "stable"
    PLATEAU = "plateau"
    STEP = "step"
    SAWTOOTH = "sawtooth"
    GROWING_SAWTOOTH = "growing sawtooth"
    SPIKY = "spiky"
    STEADY_GROWTH = "steady growth"
    ACCELERATING = "accelerating"
    INCONCLUSIVE = "inconclusive"

    @property
    def grows(self) -> bool:
        """Whether this trend ends at a limit."""
        return self in (Shape.GROWING_SAWTOOTH, Shape.STEADY_GROWTH, Shape.ACCELERATING)


@dataclass(frozen=True, slots=True)
class Trend:
    """A shape, the rate of the low-water mark (units per second, 90 % interval), and why.

    `needs_s` is set where the shape is inconclusive: how many more seconds to watch, as far as can be told.
    """

    shape: Shape
    rate: Rate
    reason: str
    samples: int
    span_s: float
    needs_s: float | None = None

    @property
    def grows(self) -> bool:
        """Whether the series grows."""
        return self.shape.grows


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that the decision looks at. `waves`: the low-water mark shows only in the troughs of cycles."""

    points: Points
    floor: float
    cycles: Cycles
    waves: bool
    marks: Marks

    @property
    def span_s(self) -> float:
        """How long the series is."""
        return self.points[-1][0] - self.points[0][0]

    @property
    def least(self) -> float:
        """The smallest gain that counts."""
        return max(self.floor, NOISES * self.marks.noise)

    def growth(self, start: float, *, proven: bool = False) -> Growth:
        """How the envelope gains after leaving out `start` (a share) as warm-up.

        `proven` leaves out the last mark too: it has no future yet that could lower it.
        """
        envelope = self.marks.envelope[: -1 if proven else None]
        return growth(envelope[int(start * len(envelope)) :], max(self.floor / 8, self.marks.noise))


Decision = tuple[Shape, str, float | None]


def classify(points: Points, floor: float = FLOOR_BYTES, *, exact: bool = False) -> Trend:
    """Name the trend of (seconds, value) points in order of time.

    `floor` is the smallest change worth a word, in units of the values. `exact` says that values are counts without
    noise, so that every sample is worth a cell of its own.
    """
    span = points[-1][0] - points[0][0] if points else 0.0
    per_cell = 1 if exact else PER_CELL
    enough = LEAST_CELLS * per_cell
    values = [v for _, v in points]
    if len(points) >= min(enough, FEWEST) and max(values) - min(values) < floor:
        marks = low_marks(points, LEAST_CELLS)
        still = rate(marks.times, marks.lows)
        return Trend(Shape.STABLE, still, "moved less than is worth a word", len(points), span)
    if len(points) < enough:
        speed = plain_growth(points, floor)
        if speed:
            return Trend(Shape.STEADY_GROWTH, speed, "rises throughout, and evenly", len(points), span)
        each = span / (len(points) - 1) if len(points) > 1 else 0.0
        needs = each * (enough - len(points)) if each else None
        reason = f"{len(points)} sample{'s' * (len(points) != 1)}, {enough} are needed"
        return Trend(Shape.INCONCLUSIVE, Rate(0.0, 0.0, 0.0), reason, len(points), span, needs)
    seen = look(points, floor, per_cell)
    shape, reason, needs = grown(seen) or level(seen)
    marks = seen.marks
    skip = len(marks.lows) // 4 if len(marks.lows) >= COARSE_CELLS else 0
    return Trend(shape, rate(marks.times[skip:], marks.lows[skip:]), reason, len(points), span, needs)


def look(points: Points, floor: float, per_cell: int) -> Seen:
    """Measure a series: its cycles, and its low-water marks."""
    found = cycles(points, floor / 2)
    values = [v for _, v in points]
    tall = found.height > max(MATTERS * (max(values) - min(values)), 6 * jitter(points))
    lately = bool(found.troughs) and points[-1][0] - found.troughs[-1][0] < 2.5 * found.period_s
    waves = tall and lately and found.aloft > ALOFT
    candidates = found.troughs if waves else points
    cells = min(CELLS, len(candidates) if waves else len(candidates) // per_cell)
    marks = low_marks(candidates, cells)
    gain = marks.envelope[-1] - marks.envelope[0]
    if marks.noise * cells > gain and cells > COARSE_CELLS:
        marks = low_marks(candidates, COARSE_CELLS)
    return Seen(points, floor, found, waves, marks)


def grown(seen: Seen) -> Decision | None:
    """Return the kind of growth if the low-water mark keeps rising after the warm-up, else None."""
    cells = len(seen.marks.lows)
    if cells < FEW_CYCLES or _slowing(seen):
        return None
    for start, share in STARTS if cells >= COARSE_CELLS else STARTS[:1]:
        found = seen.growth(start)
        rises = max(FEWEST_RISES, share * (1 - start) * cells)
        if found.total >= seen.least and _even(found, rises) and _lasting(found):
            return _kind(seen, found)
    return None


def _even(found: Growth, rises: float) -> bool:
    spread = min(SPREAD, SPREAD_SHARE * (found.cells - 1))
    often = found.rises >= rises and max(found.pause, found.final_pause) <= PAUSE
    return often and found.largest <= LARGEST and found.spread >= spread


def _lasting(found: Growth) -> bool:
    if found.ratio >= 0.8:
        return True
    # One large rise in the earlier half, such as a dict that doubles, does not make a leak tire.
    trimmed = found.trimmed >= 0.7 and found.rises >= MANY_RISES
    return found.tired <= 1.5 and (found.ratio >= 0.6 or trimmed)


def _slowing(seen: Seen) -> bool:
    # A cache that still fills gains less and less all along; a leak behind a warm-up is even once that is over.
    whole, later, latest = (seen.growth(start) for start in (0.0, 0.25, 0.5))
    return whole.ratio < 0.65 and later.ratio < 0.85 and latest.ratio < 0.87 and later.fading < FADING


def _kind(seen: Seen, found: Growth) -> Decision:
    if seen.waves:
        return Shape.GROWING_SAWTOOTH, "the troughs rise throughout", None
    if seen.growth(0.0).ratio >= 1.5 and found.ratio >= 1.25:
        return Shape.ACCELERATING, "the low-water mark rises faster and faster", None
    return Shape.STEADY_GROWTH, "the low-water mark rises throughout", None


def level(seen: Seen) -> Decision:
    """Return what a series does that cannot be said to grow."""
    if seen.waves and len(seen.cycles.troughs) < FEW_CYCLES:
        return _few_cycles(seen)
    whole = seen.growth(0.0, proven=True)
    if whole.total >= seen.least:
        return _risen(seen, whole)
    lately = seen.growth(0.0)
    if lately.total >= seen.least and lately.rises >= FEWEST_RISES:
        return Shape.INCONCLUSIVE, "has only just risen by more than its noise", seen.span_s / 2
    return _flat(seen)


def _risen(seen: Seen, whole: Growth) -> Decision:
    if whole.largest >= 0.7 and whole.final_pause >= 0.1:
        return Shape.STEP, "one jump, level before and after", None
    if not _settled(seen, whole, seen.growth(0.5, proven=True)):
        slowly = "rises ever more slowly: a cache that still fills does the same"
        unevenly = "rose lately, but not evenly enough to call it growth"
        return Shape.INCONCLUSIVE, slowly if _slowing(seen) else unevenly, seen.span_s
    if seen.waves or seen.cycles.height > whole.total:
        return _flat(seen)
    return Shape.PLATEAU, "rose at first, then levelled off", None


def _settled(seen: Seen, whole: Growth, late: Growth) -> bool:
    faded = late.total < max(NOISES * seen.marks.noise, 0.05 * whole.total)
    small = late.total < min(seen.floor, 0.25 * whole.total)
    return faded or small or whole.final_pause > max(0.25, 2 * whole.pause)


def _flat(seen: Seen) -> Decision:
    if seen.waves:
        return Shape.SAWTOOTH, "falls back to the same level again and again", None
    if seen.cycles.peak > max(2 * seen.floor, SPIKE * jitter(seen.points)) and seen.cycles.aloft <= ALOFT:
        return Shape.SPIKY, "short bursts that are given back", None
    return Shape.STABLE, "the low-water mark stays within its noise", None


def _few_cycles(seen: Seen) -> Decision:
    first, last, trough = seen.points[0][1], seen.points[-1][1], seen.cycles.troughs[-1][1]
    if first - last > seen.cycles.height / 2 and last - trough < seen.cycles.height / 4:
        return Shape.STABLE, "fell, and has not risen again", None
    if last - trough < seen.cycles.height / 4 and trough - seen.cycles.troughs[0][1] < seen.least:
        return Shape.SPIKY, "rose and was given back", None
    count = len(seen.cycles.troughs)
    missing = (FEW_CYCLES - count) * seen.cycles.period_s
    return Shape.INCONCLUSIVE, f"{count} cycles seen, {FEW_CYCLES} are needed", missing or seen.span_s
