"""Curves over each other as a picture file, drawn by matplotlib (an extra: `plot`)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leakaudit.errors import UsageError
from leakaudit.process.compare.outcome import Outcome
from leakaudit.process.marks import Points
from leakaudit.process.series import Series

SUFFIXES = (".svg", ".png", ".pdf", ".html")
CELLS = 120  # a curve keeps the lowest and highest point of each
FAINT_CELLS = 40
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Picture:
    """Where to draw, and under which title."""

    path: Path
    title: str = ""


def parse_picture(text: str) -> Path:
    """Return the path of a picture that can be drawn here; raises UsageError."""
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot draw {text}", f"end its name in one of {', '.join(SUFFIXES)}")
    if path.suffix.lower() != ".html" and importlib.util.find_spec("matplotlib") is None:
        raise UsageError("pictures need matplotlib", "pip install 'leakaudit[plot]'")
    return path


def draw(picture: Picture, outcomes: Sequence[Outcome]) -> None:
    """Draw every run, the middle one of each setting in full; raises UsageError if the file cannot be written."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Text stays text, and equal curves make equal files.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "leakaudit"}):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for index, outcome in enumerate(o for o in outcomes if o.runs):
            color = f"C{index % 10}"
            for run in outcome.runs:
                middle = run is outcome.middle
                times, values = _thinned(run.points, CELLS if middle else FAINT_CELLS)
                axes.plot(
                    times,
                    values,
                    color=color,
                    linewidth=1.4 if middle else 0.6,
                    alpha=1.0 if middle else 0.35,
                    label=outcome.setting.name if middle else None,
                )
        axes.set(xlabel="seconds", ylabel="memory, MiB", title=picture.title)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        try:
            figure.savefig(picture.path, metadata=_metadata(picture.path))
        except OSError as error:
            raise UsageError(f"cannot write {picture.path} ({error.strerror})") from error


def _metadata(path: Path) -> dict[str, str | None]:
    return {"Date": None} if path.suffix.lower() == ".svg" else {}


def _thinned(points: Points, cells: int) -> tuple[list[float], list[float]]:
    series = Series(cells)
    for t, value in points:
        series.append(t, value)
    kept = series.points()
    return [round(t, 2) for t, _ in kept], [round(value / MIB, 2) for _, value in kept]
