"""Does a count grow? Lengths are exact, so the rule looks at low-water marks and needs no statistics.

The idea is BLeak's and MemLab's: what leaks rises again and again and never comes back. A series grows when its
low-water mark (the smallest value still to come) rises in most parts of the window, the last part included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate, pairwise

Point = tuple[float, int]

LEAST_SAMPLES = 4
LEAST_RISES = 3
PARTS = 4
TAIL = 0.15  # of the samples, at the end, have too little future to show that they stay
TOOTH = 0.3  # of the range: a fall as deep as that ends a tooth
STEP = 0.8  # of the whole gain in one rise is a step
TIRED = 1 / 3  # of the earlier half's gain: less than this in the later half is a warm-up
TEETH = 6  # troughs, each above the one before: chance puts so many in order once in 720 times


class Course(Enum):
    """What a count does."""

    GROWS = "grows"
    FLAT = "flat"
    FULL = "full"  # stays at one length, or below its own limit, while entries come and go
    EMPTIED = "emptied"  # is cleared again and again at much the same length
    WAVES = "waves"  # comes back to where it was
    SETTLED = "settled"  # grew, and stopped
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Growth:
    """What a series of counts does, its rate per second, and why. `needs_s`: how much longer to watch if unclear."""

    course: Course
    rate: float
    first: int
    last: int
    samples: int
    reason: str
    needs_s: float | None = None
    points: tuple[Point, ...] = ()


def assess(points: Sequence[Point], limit: int | None = None, marks: Sequence[int] = ()) -> Growth:
    """Judge (seconds, count) points in order of time.

    `limit` is the size that the container allows itself; `marks` is the identity of the first entry at each point,
    0 where unknown: it tells a full container that evicts from one that nothing happens to.
    """
    course, reason, needs = _judge(points, limit, marks)
    first, last = (points[0][1], points[-1][1]) if points else (0, 0)
    rate = _rate(points) if course is Course.GROWS else max(0.0, _rate(points))
    return Growth(course, rate, first, last, len(points), reason, needs, tuple(points))


def low_water(values: Sequence[int]) -> list[int]:
    """Return for each value the smallest that follows, itself included."""
    marks, lowest = [], values[-1]
    for value in reversed(values):
        lowest = min(lowest, value)
        marks.append(lowest)
    return marks[::-1]


def _judge(
    points: Sequence[Point], limit: int | None, marks: Sequence[int]
) -> tuple[Course, str, float | None]:
    if len(points) < LEAST_SAMPLES:
        return (
            Course.UNCLEAR,
            f"{len(points)} sample{'s' * (len(points) != 1)}, {LEAST_SAMPLES} are needed",
            _more(points, LEAST_SAMPLES),
        )
    values = [count for _, count in points]
    if limit is not None and max(values) <= limit:
        return _within(values, limit)
    if min(values) == max(values):
        return _level(values[0], marks, len(points))
    kept = _kept(values)
    water = low_water(values)[:kept]
    rises = [i for i in range(1, kept) if water[i] > water[i - 1]]
    if not rises:
        return _waves(values)
    found = _rising(points[:kept], water, rises, marks)
    return _outgrown(found, values, water, points[kept - 1][0] - points[0][0])


def _kept(values: Sequence[int]) -> int:
    """Return how many samples have enough future to show that they stay."""
    troughs = _troughs(values)
    longest = max((end - start for start, end in pairwise((0, *troughs))), default=0)
    # In a sawtooth, the tooth that has begun proves nothing, unless it outlasts all others.
    if len(troughs) >= 2 and len(values) - troughs[-1] <= 2 * longest:
        return max(LEAST_SAMPLES, troughs[-1] + 1)
    return len(values) if values == sorted(values) else max(LEAST_SAMPLES, round(len(values) * (1 - TAIL)))


def _troughs(values: Sequence[int]) -> list[int]:
    """Return the places right after the deep falls."""
    deep = TOOTH * (max(values) - min(values))
    return [i for i in range(1, len(values)) if values[i - 1] - values[i] > deep]


def _within(values: Sequence[int], limit: int) -> tuple[Course, str, None]:
    if values[-1] == limit:
        return Course.FULL, f"it is full at its limit of {limit} and evicts", None
    return Course.FULL, f"it holds {values[-1]} of the {limit} that it allows itself", None


def _level(count: int, marks: Sequence[int], samples: int) -> tuple[Course, str, None]:
    if len({mark for mark in marks if mark}) > 1 and all(marks):
        return Course.FULL, f"it stays at {count} entries while old ones give way to new ones", None
    return Course.FLAT, f"{count} entries in all {samples} samples", None


def _waves(values: Sequence[int]) -> tuple[Course, str, None]:
    falls = [i for i in range(1, len(values)) if values[i] < values[i - 1]]
    peaks = [values[i - 1] for i in falls]
    low, high = min(values), max(values)
    if len(peaks) >= 2 and min(peaks) >= 0.8 * max(peaks) and low <= 0.5 * high:
        return Course.EMPTIED, f"it is emptied when it holds about {max(peaks)}", None
    return Course.WAVES, f"it comes and goes between {low} and {high} entries", None


def _rising(
    points: Sequence[Point], water: Sequence[int], rises: Sequence[int], marks: Sequence[int]
) -> tuple[Course, str, float | None]:
    times = [t for t, _ in points]
    span = times[-1] - times[0]
    gaps = [times[b] - times[a] for a, b in zip((0, *rises), rises, strict=False)]
    quiet = times[-1] - times[rises[-1]]
    if quiet > max(2 * max(gaps), span / PARTS):
        return _stopped(water[-1], quiet, marks[rises[-1] + 1 :])
    doubt = _doubt(times, water, rises)
    if doubt:
        return Course.UNCLEAR, doubt, max(span, LEAST_RISES * max(gaps))
    if quiet > 2 * max(gaps):
        return Course.UNCLEAR, f"it did not rise in the last {quiet:.0f} s", span
    return Course.GROWS, f"its low-water mark rose {_times(len(rises))} and never fell", None


def _outgrown(
    found: tuple[Course, str, float | None], values: Sequence[int], water: Sequence[int], span: float
) -> tuple[Course, str, float | None]:
    """Doubt a growth that is less than what the series fell by: part of a wave rises, too.

    What it gained before it fell for the first time may be a warm-up.
    """
    troughs = _troughs(values)
    gain = water[-1] - water[min([*troughs, 0][0], len(water) - 1)]
    fall = max(peak - value for peak, value in zip(accumulate(values, max), values, strict=True))
    lows = [values[i] for i in troughs]
    in_order = len(lows) >= TEETH and all(earlier < later for earlier, later in pairwise(lows))
    if found[0] is not Course.GROWS or gain >= fall or in_order:
        return found
    reason = f"it rose by {gain}, but fell by {fall} in between"
    return Course.UNCLEAR, reason, span * fall / max(gain, 1) - span


def _stopped(level: int, quiet: float, marks: Sequence[int]) -> tuple[Course, str, None]:
    if len(set(marks)) > 1 and all(marks):
        return Course.FULL, f"it filled up to {level} entries and stays there, old ones giving way", None
    return Course.SETTLED, f"it grew to {level} entries and stopped {quiet:.0f} s before the end", None


def _doubt(times: Sequence[float], water: Sequence[int], rises: Sequence[int]) -> str:
    """Return why a rise is not yet a growth, or an empty string."""
    if len(rises) < LEAST_RISES:
        return f"it rose {_times(len(rises))} in {times[-1] - times[0]:.0f} s"
    gain, largest = water[-1] - water[0], max(water[i] - water[i - 1] for i in rises)
    if largest > STEP * gain:
        return f"one step makes up {largest} of the {gain} entries gained"
    halves = _part_gains(times, water, 2)
    if halves[1] < TIRED * halves[0]:
        return f"it slows down: {halves[0]} entries, then {halves[1]}"
    busy = sum(part > 0 for part in _part_gains(times, water, PARTS))
    return f"it rose in {busy} of {PARTS} parts of the window" if busy < PARTS - 1 else ""


def _part_gains(times: Sequence[float], water: Sequence[int], parts: int) -> list[int]:
    # Parts of time, not of samples, because some samples are late.
    start, span = times[0], times[-1] - times[0]
    gains = [0] * parts
    for i in range(1, len(water)):
        where = (times[i] - start) / span * parts if span else 0
        gains[min(parts - 1, max(0, -int(-where // 1) - 1))] += water[i] - water[i - 1]
    return gains


def _rate(points: Sequence[Point]) -> float:
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return 0.0
    water = low_water([count for _, count in points])
    return (water[-1] - water[0]) / (points[-1][0] - points[0][0])


def _more(points: Sequence[Point], samples: int) -> float | None:
    if len(points) < 2:
        return None
    return (points[-1][0] - points[0][0]) / (len(points) - 1) * (samples - len(points))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
