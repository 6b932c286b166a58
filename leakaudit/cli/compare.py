"""`leakaudit compare`: one workload under several settings, side by side."""

from __future__ import annotations

import re
import signal
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.output import writable
from leakaudit.cli.params import DURATION
from leakaudit.cli.progress import Progress
from leakaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakaudit.process.compare.expect import Check
    from leakaudit.process.compare.figures import Reading
    from leakaudit.process.compare.matrix import Dimension
    from leakaudit.process.compare.outcome import Outcome
    from leakaudit.process.compare.plan import Job
    from leakaudit.process.compare.recording import Recording
    from leakaudit.process.compare.session import Comparison, Tell


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. Times in seconds."""

    command: tuple[str, ...]
    env: tuple[str, ...]
    vary: tuple[str, ...]
    settings: tuple[str, ...]
    expect: tuple[str, ...]
    repeat: int
    every: float
    warmup: str
    floor: str | None
    timeout: float | None
    for_: float | None
    exit_codes: str
    memory: str
    output: str | None
    picture: str | None
    title: str
    format_: str


@click.command()
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
@click.option(
    "--env", multiple=True, metavar="NAME=A,B", help="Vary an environment variable; empty unsets it."
)
@click.option("--vary", multiple=True, metavar="NAME=A,B", help="Vary what {NAME} in the command stands for.")
@click.option(
    "--settings",
    multiple=True,
    type=click.Choice(("allocator",)),
    help="Vary the usual suspects: arenas, trimming, other allocators.",
)
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Runs for each setting.")
@click.option("--every", type=DURATION, default="50ms", show_default=True, help="Time between two samples.")
@click.option("--warmup", metavar="TIME|PERCENT", default="0%", help="Leave this out of trend, rate and end.")
@click.option(
    "--floor", metavar="SIZE", help="The smallest change that is worth a word in a trend.  [default: 256KiB]"
)
@click.option("--timeout", type=DURATION, help="A run that takes longer has failed.")
@click.option("--for", "for_", type=DURATION, help="Stop each run after this time: for servers.")
@click.option(
    "--exit-codes",
    default="0",
    show_default=True,
    metavar="N,N",
    help="Exit codes of a run that counts; linters end with 1 when they find something.",
)
@click.option(
    "--memory",
    type=click.Choice(("rss", "pss")),
    default="rss",
    show_default=True,
    help="What to sum up over a run's processes; pss counts shared pages once.",
)
@click.option(
    "--expect",
    multiple=True,
    metavar="[NAME=A,...:]TREND",
    help="Exit 1 unless these settings come out so: growing, sawtooth, stable ..., or peak<1.2x, end<300MB.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Keep the recordings in DIR, and run only what is not there yet.",
)
@click.option(
    "--picture", callback=writable, metavar="FILE", help="Draw the curves: FILE.svg, .png, .pdf, or .html."
)
@click.option("--title", default="", help="The picture's title.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to tell it.",
)
def compare(**options: Any) -> ExitCode:
    """Run COMMAND under every combination of settings, and compare memory and time.

    Write `--` before COMMAND. Exit codes: 0 done, and all expectations met; 1 one was not; 2 no run ended well, or
    nothing could be run.
    """
    return _run(Request(**options))


def _run(request: Request) -> ExitCode:
    from leakaudit.process.compare import expect, outcome, picture, session

    dimensions = _dimensions(request)
    values = {d.name: tuple(choice.value for choice in d.choices) for d in dimensions}
    expectations = [expect.parse_expectation(text, values) for text in request.expect]
    reading = _reading(request)
    path = picture.parse_picture(request.picture) if request.picture else None
    with ExitStack() as stack:
        comparison = _comparison(request, dimensions, stack)
        stack.enter_context(_terminable())
        with Progress("runs", "runs") as progress:
            recordings = session.carry_out(comparison, _telling(progress))
        found = outcome.outcomes(comparison.settings, recordings, reading)
    checks = expect.check(expectations, found)
    if path and any(o.runs for o in found):
        _draw(path, request.title, found)
    _show(request, found, checks)
    if not any(recording.usable for recording in recordings):
        raise UsageError(
            f"no run ended well: {_why(recordings)}", "run the command by itself, and see -o DIR's logs"
        )
    return ExitCode.CLEAN if all(check.met for check in checks) else ExitCode.FINDINGS


def _dimensions(request: Request) -> tuple[Dimension, ...]:
    from leakaudit.process.compare.matrix import parse_environment, parse_placeholder
    from leakaudit.process.compare.presets import PRESETS

    return (
        *(parse_placeholder(text, request.command) for text in request.vary),
        *(parse_environment(text) for text in request.env),
        *(PRESETS[name]() for name in request.settings),
    )


def _exit_codes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(code) for code in text.split(","))
    except ValueError:
        raise UsageError(f"--exit-codes {text!r} are no numbers", "write --exit-codes 0,1") from None


def _reading(request: Request) -> Reading:
    from leakaudit.process.budget import parse_size
    from leakaudit.process.compare.figures import Reading
    from leakaudit.process.trend import FLOOR_BYTES

    floor = parse_size(request.floor) if request.floor else FLOOR_BYTES
    percent = re.fullmatch(r"(\d{1,2}(?:\.\d+)?)\s*%", request.warmup.strip())
    if percent:
        return Reading(warmup_share=float(percent[1]) / 100, floor=floor)
    try:
        return Reading(warmup_s=DURATION.convert(request.warmup, None, None), floor=floor)
    except click.BadParameter as error:
        wrong = f"--warmup {request.warmup!r} is neither a time nor a share below 100 %"
        raise UsageError(wrong, "write 2s or 25%") from error


def _comparison(request: Request, dimensions: Sequence[Dimension], stack: ExitStack) -> Comparison:
    from leakaudit.process.compare.execute import Limits
    from leakaudit.process.compare.matrix import combine
    from leakaudit.process.compare.session import Comparison

    folder = request.output or stack.enter_context(tempfile.TemporaryDirectory(prefix="leakaudit-compare-"))
    return Comparison(
        settings=combine(dimensions, request.command),
        repeats=request.repeat,
        limits=Limits(request.every, request.timeout, request.for_, request.memory),
        folder=Path(folder),
        accepted=_exit_codes(request.exit_codes),
    )


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that no run outlives us."""

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _telling(progress: Progress) -> Tell:
    def tell(job: Job, done: int, total: int) -> None:
        progress.step(job.setting.name, done, total)

    return tell


def _draw(path: Path, title: str, found: Sequence[Outcome]) -> None:
    if path.suffix.lower() == ".html":
        from leakaudit.cli import output
        from leakaudit.cli.compare_page import page

        output.write(page(title, found), str(path))
        return
    from leakaudit.process.compare.picture import Picture, draw

    draw(Picture(path, title), found)


def _why(recordings: Sequence[Recording]) -> str:
    first = recordings[0]
    said = f"; it said: {first.ending.last_words}" if first.ending.last_words else ""
    return f"the first {first.told}{said}"


def _show(request: Request, found: Sequence[Outcome], checks: Sequence[Check]) -> None:
    from leakaudit.cli import output
    from leakaudit.cli.compare_view import as_json, text

    if request.format_ == "json":
        output.write(as_json(found, checks), None)
    else:
        output.write("\n".join(text(found, checks)) + "\n", None)
