"""What `leakaudit compare` shows: the table, the sketch, what helped, and the expectations."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from leakaudit.cli.terminal import columns, shows_color
from leakaudit.process.compare.expect import Check
from leakaudit.process.compare.helped import Effect, effects
from leakaudit.process.compare.outcome import Outcome
from leakaudit.process.compare.ratio import Ratio
from leakaudit.process.compare.recording import SCHEMA
from leakaudit.process.compare.sketch import Curve, sketch
from leakaudit.process.rate import Rate
from leakaudit.report import units
from leakaudit.report.style import Style, cells, printable, wrap

HEADER = ("", "setting", "runs", "peak", "of first", "end", "rate", "trend", "time")
LEFT = ("", "setting", "trend")
COLORS = ("green", "yellow", "blue", "cyan", "red", "dim")
HEIGHT = 12


def text(outcomes: Sequence[Outcome], checks: Sequence[Check]) -> Iterator[str]:
    """Yield the report's lines."""
    terminal = sys.stdout.isatty()
    width = columns(60, 140, 100) if terminal else 100
    style = Style(shows_color(sys.stdout))
    yield from table(outcomes, width, style)
    yield from _failures(outcomes, width, style)
    if any(o.runs for o in outcomes):
        yield ""
        yield from curves(outcomes, width, style)
    if len(outcomes) > 1:
        yield ""
        yield from _helped(outcomes, width)
    if checks:
        yield ""
        yield from _expectations(checks, width, style)


def table(outcomes: Sequence[Outcome], width: int, style: Style) -> Iterator[str]:
    """Yield one line for each setting under a header; names that don't fit in come before, by their letters."""
    rows = [HEADER, *(row(_letter(i), outcome) for i, outcome in enumerate(outcomes))]
    if sum(map(max, _widths(rows))) + 2 * len(HEADER) > width:
        yield from (f"{line[0]}  {line[1]}" for line in rows[1:])
        yield ""
        rows = [(line[0], *line[2:]) for line in rows]
    wide = [max(column) for column in _widths(rows)]
    for texts in rows:
        parts = (
            cell + " " * (w - cells(cell)) if name in LEFT else " " * (w - cells(cell)) + cell
            for name, cell, w in zip(rows[0], texts, wide, strict=True)
        )
        line = "  ".join(parts).rstrip()
        yield style.paint(line, "bold") if texts is rows[0] else line


def _widths(rows: Sequence[Sequence[str]]) -> list[tuple[int, ...]]:
    return [tuple(map(cells, column)) for column in zip(*rows, strict=True)]


def curves(outcomes: Sequence[Outcome], width: int, style: Style) -> Iterator[str]:
    """Yield the middle run of each setting as one sketch with its axes."""
    shown = [(i, o) for i, o in enumerate(outcomes) if o.runs]
    drawn = sketch([Curve(_letter(i), o.middle.points) for i, o in shown], width - 20, HEIGHT)
    labels = {0: units.size(drawn.high), HEIGHT - 1: units.size(drawn.low)}
    for number, row in enumerate(drawn.rows):
        line = "".join(
            style.paint(char, COLORS[shown[owner][0] % len(COLORS)]) if owner >= 0 and char != " " else char
            for char, owner in row
        )
        yield f"{labels.get(number, ''):>9} │{line}".rstrip()
    yield f"{'':>9} └{'─' * (width - 20)} {units.seconds(drawn.seconds)}"


def as_json(outcomes: Sequence[Outcome], checks: Sequence[Check]) -> str:
    """Return the comparison as one JSON object, schema `leakaudit/compare/v1`."""
    result = {
        "schema": SCHEMA,
        "settings": [_outcome_json(outcome) for outcome in outcomes],
        "effects": [
            {"dimension": e.dimension, "value": e.value, "figure": e.figure, "ratio": _ratio_json(e.ratio)}
            for e in effects(outcomes)
        ],
        "expectations": [
            {"text": c.expectation.text, "setting": c.setting, "met": c.met, "found": c.found} for c in checks
        ],
    }
    return json.dumps(result, indent=2) + "\n"


def _letter(index: int) -> str:
    return ascii_uppercase[index] if index < len(ascii_uppercase) else "*"


def row(letter: str, outcome: Outcome) -> tuple[str, ...]:
    """Return a setting's figures as text, in the order of HEADER."""
    failed = f" +{len(outcome.failures)} failed" if outcome.failures else ""
    name = printable(outcome.setting.name)
    if not outcome.runs:
        return (letter, name, f"0{failed}", *["-"] * 6)
    return (
        letter,
        name,
        f"{len(outcome.runs)}{failed}",
        units.size(outcome.median("peak")),
        _ratio(outcome.peak_ratio),
        units.size(outcome.median("end")),
        _rate(outcome.rate),
        trends(outcome),
        units.seconds(outcome.median("time")),
    )


def trends(outcome: Outcome) -> str:
    """Write the trend, and where runs differ, in how many of them each was seen."""
    if len(outcome.trends) == 1:
        return outcome.trends[0][0].value
    return ", ".join(f"{shape.value} {count}/{len(outcome.runs)}" for shape, count in outcome.trends)


def _ratio(found: Ratio | None) -> str:
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} ({found.low:.2f}..{found.high:.2f})"


def _rate(rate: Rate) -> str:
    half = max(rate.high - rate.per_s, rate.per_s - rate.low)
    return f"{units.size(rate.per_s)}/s ± {units.size(half)}"


def _failures(outcomes: Sequence[Outcome], width: int, style: Style) -> Iterator[str]:
    for outcome in outcomes:
        alike = Counter((failure.told, failure.ending.last_words) for failure in outcome.failures)
        for (how, said), count in alike.items():
            told = f"{outcome.setting.name}: {units.count(count, 'run')} left out, {how}"
            first = style.paint("failed", "red", "bold")
            lines = wrap(f"{told}: {said}" if said else told, width - 8)
            yield f"{first}  {lines[0]}"
            yield from (f"        {line}" for line in lines[1:])


def _helped(outcomes: Sequence[Outcome], width: int) -> Iterator[str]:
    found = effects(outcomes)
    if any(outcome.runs for outcome in outcomes) and all(effect.ratio.low is None for effect in found):
        yield "One run each cannot tell a difference from chance; --repeat 3 or more can."
        return
    for name, first in outcomes[0].setting.values:
        mine = [effect for effect in found if effect.dimension == name]
        if mine:
            yield f"{name}, beside {_value(name, first)} and everything else being equal:"
        for value in dict.fromkeys(effect.value for effect in mine):
            yield from _verdict(name, value, [e for e in mine if e.value == value], width)


def _verdict(name: str, value: str, found: Sequence[Effect], width: int) -> Iterator[str]:
    better = [_effect(e) for e in found if e.better is True]
    worse = [_effect(e) for e in found if e.better is False]
    told = [
        *([f"helps: {', '.join(better)}"] if better else ()),
        *([f"costs: {', '.join(worse)}"] if worse else ()),
    ]
    text = "; ".join(told) or "no difference of 3 % or more that can be told from chance"
    yield from wrap(f"{_value(name, value)}: {text}", width, "  ", "    ")


def _value(name: str, value: str) -> str:
    return printable(f"{name}={value}" if value else f"no {name}")


def _effect(effect: Effect) -> str:
    return f"{effect.figure} {_percent(effect.ratio.value)} ({_percent(effect.ratio.low)} to {_percent(effect.ratio.high)})"


def _percent(times: float | None) -> str:
    return "?" if times is None else f"{(times - 1) * 100:+.0f} %"


def _expectations(checks: Sequence[Check], width: int, style: Style) -> Iterator[str]:
    for check in checks:
        word = style.paint("met   ", "green") if check.met else style.paint("failed", "red", "bold")
        lines = wrap(f"{check.expectation.text}  [{check.setting}]: {check.found}", width - 8)
        yield f"{word}  {lines[0]}"
        yield from (f"        {line}" for line in lines[1:])
    met = sum(check.met for check in checks)
    yield f"{met} of {units.count(len(checks), 'expectation')} met"


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    runs = [
        {
            "repeat": run.repeat,
            "peak": run.peak,
            "end": run.end,
            "seconds": run.seconds,
            "processes": run.processes,
            "samples": len(run.points),
            "trend": run.trend.shape.value,
            "reason": run.trend.reason,
            "per_s": run.trend.rate.per_s,
            "per_s_interval": [run.trend.rate.low, run.trend.rate.high],
        }
        for run in outcome.runs
    ]
    failures = [
        {"repeat": f.repeat, "how": f.told, "last_words": f.ending.last_words} for f in outcome.failures
    ]
    return {
        "setting": dict(outcome.setting.values),
        "command": list(outcome.setting.command),
        "environment": dict(outcome.setting.environment),
        "runs": runs,
        "failures": failures,
        "peak_ratio": _ratio_json(outcome.peak_ratio),
        "end_ratio": _ratio_json(outcome.end_ratio),
        "time_ratio": _ratio_json(outcome.time_ratio),
    }


def _ratio_json(found: Ratio | None) -> dict[str, float | None] | None:
    return None if found is None else {"value": found.value, "low": found.low, "high": found.high}
