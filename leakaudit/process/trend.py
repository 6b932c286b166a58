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
from leakaudit.process.rate import Rate, rate

FLOOR_BYTES = 256 * 1024.0
FLOOR_COUNT = 4.0

CELLS = 24
PER_CELL = 4  # samples, where a series is noisy
LEAST_CELLS = 8
WARM_UPS = (0.25, 0.5)  # shares of the window that may be start-up
NOISES = 4.0  # a gain counts from this many times the marks' noise
RISES = 5
PAUSE = 0.35
LARGEST = 0.5
TIRED = 1.5
SETTLED = 0.25  # a later half that gains less than this share of the earlier has settled
FEW_CYCLES = 5
MATTERS = 0.3  # cycles higher than this share of the range hide the low-water mark between their troughs


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
    """Everything that the decision looks at."""

    points: Points
    floor: float
    cycles: Cycles
    waves: bool  # whether the cycles hide the low-water mark between their troughs
    marks: Marks
    span_s: float
    cut_s: float  # the part after the last trough, which has no low-water mark yet

    @property
    def least(self) -> float:
        """The smallest gain that counts."""
        return max(self.floor, NOISES * self.marks.noise)

    def growth(self, start: float) -> Growth:
        """How the envelope gains after leaving out `start` (a share) as warm-up."""
        envelope = self.marks.envelope
        return growth(envelope[int(start * len(envelope)) :], max(self.floor / 8, self.marks.noise))


def classify(points: Points, floor: float = FLOOR_BYTES, *, exact: bool = False) -> Trend:
    """Name the trend of (seconds, value) points in order of time.

    `floor` is the smallest change worth a word, in units of the values. `exact` says that values are counts without
    noise, so that every sample is worth a cell of its own.
    """
    span = points[-1][0] - points[0][0] if points else 0.0
    per_cell = 1 if exact else PER_CELL
    enough = LEAST_CELLS * per_cell
    if len(points) < enough:
        each = span / (len(points) - 1) if len(points) > 1 else 0.0
        return Trend(
            Shape.INCONCLUSIVE,
            Rate(0.0, 0.0, 0.0),
            f"{len(points)} samples, {enough} are needed",
            len(points),
            span,
            needs_s=each * (enough - len(points)) if each else None,
        )
    values = [v for _, v in points]
    if max(values) - min(values) < floor:
        moved = (
            Rate(0.0, 0.0, 0.0)
            if max(values) == min(values)
            else _rate(points, min(CELLS, len(points) // per_cell))
        )
        return Trend(Shape.STABLE, moved, "moved less than is worth a word", len(points), span)
    seen = look(points, floor, per_cell)
    shape, reason, needs = _grown(seen) or _still(seen)
    marks = seen.marks
    skip = int(WARM_UPS[0] * len(marks.lows)) if len(marks.lows) >= 12 else 0
    return Trend(shape, rate(marks.times[skip:], marks.lows[skip:]), reason, len(points), span, needs)


def _rate(points: Points, cells: int) -> Rate:
    marks = low_marks(points, cells)
    return rate(marks.times, marks.lows)


def look(points: Points, floor: float, per_cell: int) -> Seen:
    """Measure a series: its cycles, and the low-water marks up to the last trough."""
    found = cycles(points, floor / 2)
    values = [v for _, v in points]
    waves = found.count > 0 and found.height > max(MATTERS * (max(values) - min(values)), 6 * jitter(points))
    cells = min(CELLS, len(points) // per_cell)
    end = points[-1][0]
    known = points
    if waves and found.last_trough is not None:
        period = found.period_s or found.last_trough - points[0][0]
        if end - found.last_trough < 2 * period:
            known = [p for p in points if p[0] <= found.last_trough]
        if found.count > 2:
            cells = min(cells, max(4, int(0.8 * found.count)))
    marks = low_marks(known, min(cells, max(2, len(known) // per_cell)))
    return Seen(points, floor, found, waves, marks, end - points[0][0], end - known[-1][0])


def _grown(seen: Seen) -> tuple[Shape, str, float | None] | None:
    if seen.waves and seen.cycles.count < FEW_CYCLES:
        return None
    starts = WARM_UPS if len(seen.marks.lows) >= 12 else (0.0,)
    for start in starts:
        found = seen.growth(start)
        rises = RISES if len(seen.marks.lows) >= 12 else 4
        if (
            found.total >= seen.least
            and found.rises >= rises
            and found.longest_pause <= PAUSE
            and found.largest <= LARGEST
            and found.ratio >= 0.6
            and not (found.ratio < 0.8 and found.tired > TIRED)
        ):
            if seen.waves:
                return Shape.GROWING_SAWTOOTH, "troughs rise", None
            whole = seen.growth(0.0)
            if whole.ratio >= 1.5 and found.ratio >= 1.25:
                return Shape.ACCELERATING, "the later half gains more", None
            return Shape.STEADY_GROWTH, "the low-water mark rises throughout", None
    return None


def _still(seen: Seen) -> tuple[Shape, str, float | None]:
    whole = seen.growth(0.0)
    if seen.waves and seen.cycles.height > whole.total:
        return _wavy(seen)
    if whole.total < seen.least:
        return Shape.STABLE, "the low-water mark stays within its noise", None
    late = seen.growth(0.5)
    if (
        late.total >= seen.least
        and late.total > SETTLED * (whole.total - late.total)
        and late.final_pause < 0.25
    ):
        return Shape.INCONCLUSIVE, "rose lately, but not evenly enough to call it growth", seen.span_s
    if whole.largest >= 0.6:
        return Shape.STEP, "one jump", None
    return Shape.PLATEAU, "rose at first, then levelled off", None


def _wavy(seen: Seen) -> tuple[Shape, str, float | None]:
    floor_values = seen.marks
    low, height = min(floor_values.lows), seen.cycles.height
    high = sum(1 for _, v in seen.points if v - low > height / 2) / len(seen.points)
    if high < 0.15:
        return Shape.SPIKY, "short bursts that are given back", None
    if seen.cycles.count < FEW_CYCLES:
        missing = (FEW_CYCLES - seen.cycles.count) * (seen.cycles.period_s or seen.span_s)
        return Shape.INCONCLUSIVE, f"{seen.cycles.count} cycles seen, {FEW_CYCLES} are needed", missing
    return Shape.SAWTOOTH, "falls back again and again", None
