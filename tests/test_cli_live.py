"""`leakaudit runtime --live`: what a session's records become, how it looks, and once on a pseudo-terminal."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report_samples import RUNTIME
from rich.console import Console

from leakaudit.cli import live
from leakaudit.cli.live_state import MOST_POINTS, MOST_SAMPLES, Moment, Moving, State
from leakaudit.cli.live_view import crop, curve, view
from leakaudit.cli.main import cli
from leakaudit.findings import Confidence, Finding, Location, Probe, ProbeKind, Severity
from leakaudit.findings.report import Report
from leakaudit.report.json_v1 import document
from leakaudit.runtime import audit as runtime_audit
from leakaudit.runtime.session import Session

PATIENCE_S = 60.0


def finding(symbol: str) -> Finding:
    module, _, name = symbol.partition(".")
    return Finding(
        rule="LA101",
        name="unbounded-mapping",
        severity=Severity.WARNING,
        confidence=Confidence.HIGH,
        message="grows",
        location=Location(f"{module}.py", 1, 1),
        symbol=symbol,
        probe=Probe(ProbeKind.MODULE_ATTRIBUTE, module, f"{module}.py", name),
    )


def sample(t: float, *entries: int, pause_ms: float = 1.0) -> dict[str, Any]:
    return {
        "record": "sample",
        "t": t,
        "blocks": 1000,
        "threads": 3,
        "types": None,
        "partial": "",
        "unresolved": {},
        "probes": [[n, 1, count, None, count, 100 * count, None, 0, True] for n, count in enumerate(entries)],
        "pause_ms": pause_ms,
        "cpu_ms": 1.0,
        "bytes": 1000,
    }


def state_of(*records: dict[str, Any], symbols: Sequence[str] = ("app.seen", "app.kept")) -> State:
    """What a state has heard from an audit of these containers."""
    state = State()
    session = Session(heard=state.hear)
    session.add("session", version=1, pid=4242, command="python app.py")
    session.add("attached", pause_ms=3.5)
    session.add("scan", report=document(Report(kind="scan", findings=tuple(map(finding, symbols)))))
    for record in records:
        session.append(record)
    return state


def drawn(*moments: Moment, width: int = 100, height: int = 24, bars: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(view(moments, width, height, bars=bars))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_what_gains_entries_is_told_with_its_rates() -> None:
    moment = state_of(*(sample(float(t), 10 + 5 * t, 7) for t in range(9))).moment
    assert moment.moving == (Moving("app.seen", "LA101", "", 10, 50, 5.0, 5000, 500.0, sure=True),)
    assert (moment.still, moment.unresolved, moment.samples) == (1, 0, 9)
    assert (moment.pid, moment.attach_ms, moment.largest_ms) == (4242, 3.5, 1.0)


def test_what_only_warms_up_is_not_told() -> None:
    moment = state_of(*(sample(float(t), min(10, 4 * t), 7) for t in range(20))).moment
    assert moment.moving == ()
    assert moment.still == 2


def test_a_first_rise_is_not_yet_sure() -> None:
    (moving,) = state_of(sample(0.0, 1, 7), sample(1.0, 2, 7)).moment.moving
    assert not moving.sure


def test_what_cannot_be_found_is_counted() -> None:
    assert state_of(sample(0.0, 1)).moment.unresolved == 1


def test_what_one_search_missed_is_still_known() -> None:
    moment = state_of(sample(0.0, 1, 7), sample(1.0, 1)).moment
    assert (moment.still, moment.unresolved) == (2, 0)


def test_the_process_is_told_by_its_vitals() -> None:
    vitals = ({"record": "vitals", "t": float(t), "rss": 1000.0 * t, "threads": 4.0 + t} for t in range(3))
    moment = state_of(*vitals).moment
    assert moment.rss == ((0.0, 0.0), (1.0, 1000.0), (2.0, 2000.0))
    assert moment.threads == (4.0, 6.0)
    assert moment.descriptors is None


def test_a_long_audit_is_thinned_out_and_keeps_its_ends() -> None:
    records = [sample(float(t), t, 7) for t in range(4 * MOST_SAMPLES)]
    vitals = [
        {"record": "vitals", "t": float(t), "rss": float(t), "threads": 1.0} for t in range(2 * MOST_POINTS)
    ]
    state = state_of(*records, *vitals)
    assert len(state._samples) <= MOST_SAMPLES
    assert len(state.moment.rss) <= MOST_POINTS
    assert state.moment.rss[0] == (0.0, 0.0)
    (moving,) = state.moment.moving
    assert (moving.first, moving.last, moving.rate) == (0, 4 * MOST_SAMPLES - 1, 1.0)


MOMENT = Moment(
    pid=4242,
    phase="watch",
    done=12.4,
    total=60.0,
    rss=((0.0, 80e6), (5.0, 81e6), (10.0, 90e6)),
    threads=(4.0, 6.0),
    descriptors=(9.0, 9.0),
    attach_ms=3.5,
    largest_ms=2.25,
    samples=10,
    moving=(
        Moving("server.rooms.Room.history", "LA102", "", 10, 5010, 500.0, 5_000_000, 50_000.0, sure=True),
        Moving(
            "server.poll.<locals>.seen", "LA201", "closures that stay alive", 1, 3, 0.2, 0, 0.0, sure=False
        ),
    ),
    still=12,
    unresolved=2,
)


def test_the_view_shows_the_process_what_grows_and_the_rest() -> None:
    text = "\n".join(drawn(MOMENT))
    assert "process 4242  watched 12 of 60 s" in text
    assert "resident 85.8 MiB  +9.54 MiB, 977 KiB/s  ▁▁█  threads 6 (+2)  descriptors 9" in text
    assert "pauses: attach 3.5 ms, largest 2.2 ms in 10 samples" in text
    assert "server.rooms.Room.history" in text
    assert "5,010" in text
    assert "48.8 KiB/s" in text
    assert "closures that stay alive" in text
    assert text.endswith("12 stand still, 2 not in the process")


@pytest.mark.parametrize(("width", "height"), [(20, 8), (40, 12), (60, 24), (84, 24), (200, 50)])
def test_the_view_fits_the_terminal(width: int, height: int) -> None:
    many = tuple(replace(MOMENT.moving[0], symbol=f"{'module.' * 20}attribute{n}") for n in range(60))
    lines = drawn(replace(MOMENT, moving=many), width=width, height=height)
    assert max(map(len, lines)) <= width
    assert len(lines) < height
    assert "more grow" in lines[-1]


def test_several_processes_have_a_line_each_and_one_table() -> None:
    other = replace(
        MOMENT, pid=4243, largest_ms=9.0, rss=(), moving=(replace(MOMENT.moving[0], bytes_rate=9e9),)
    )
    lines = drawn(MOMENT, other)
    assert lines[0].startswith("2 processes  watched 12 of 60 s")
    assert lines[1].startswith("4242  resident 85.8 MiB")
    assert lines[2] == "4243"
    assert lines[3] == "pauses: attach 3.5 ms, largest 9.0 ms in 20 samples"
    assert [line.split()[:2] for line in lines[5:8]] == [
        ["4243", "server.rooms.Room.history"],
        ["4242", "server.rooms.Room.history"],
        ["4242", "...poll.<locals>.seen"],
    ]
    assert lines[8] == "24 stand still, 4 not in the process"


@pytest.mark.parametrize(("width", "height"), [(40, 10), (100, 24)])
def test_many_processes_leave_room_for_what_grows(width: int, height: int) -> None:
    lines = drawn(*(replace(MOMENT, pid=pid) for pid in range(30)), width=width, height=height)
    assert len(lines) < height
    assert any("more processes" in line for line in lines)
    assert sum("history" in line for line in lines) >= 2


def test_without_bars_the_view_is_ascii() -> None:
    assert "▁" not in "\n".join(drawn(MOMENT, bars=False))


def test_a_hostile_name_does_not_reach_the_terminal() -> None:
    hostile = replace(MOMENT.moving[0], symbol="a.\x1b[2Jb[red]c")
    text = "\n".join(drawn(replace(MOMENT, moving=(hostile,))))
    assert "\x1b" not in text
    assert "[red]" in text


@pytest.mark.parametrize(
    ("phase", "said"), [("attach", "attaching"), ("scan", "scanning the source"), ("census", "counting")]
)
def test_there_is_something_to_see_from_the_start(phase: str, said: str) -> None:
    lines = drawn(Moment(pid=7, command="python app.py", phase=phase))
    assert said in lines[0]
    assert lines[1] == "python app.py"


def test_a_curve_shows_where_it_went() -> None:
    assert curve([1.0, 2.0, 3.0]) == "▁▅█"
    assert curve([1.0, 1.0]) == ""
    assert curve([float(n) for n in range(1000)], 8) == "▁▂▃▄▅▆▇█"


def test_names_are_cropped_at_their_start() -> None:
    assert crop("server.rooms.Room.history", 15) == "...Room.history"
    assert crop("short", 15) == "short"


def runtime(*args: str) -> Any:
    return CliRunner().invoke(cli, ["runtime", "4242", "--live", *args], catch_exceptions=False)


def test_without_a_terminal_the_report_comes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_audit, "audit", lambda *_: RUNTIME)
    result = runtime()
    assert result.exit_code == 1
    assert "--live needs a terminal" in result.stderr
    assert "confirmed" in result.stdout


def test_quiet_and_live_contradict_each_other() -> None:
    result = runtime("--quiet")
    assert result.exit_code == 2
    assert "--live is what --quiet leaves out" in result.stderr


def test_a_dumb_terminal_cannot_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert live.can_show()
    monkeypatch.setenv("TERM", "dumb")
    assert not live.can_show()


LEAK = """\
import time

_seen = {}


def serve():
    print("ready", flush=True)
    for number in range(100_000):
        _seen[number] = "x" * 1000
        time.sleep(0.005)


serve()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the live half is Linux only")
def test_a_real_audit_is_drawn_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LEAK)
    target = subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert target.stdout is not None
        assert target.stdout.readline() == "ready\n"
        code, text = on_terminal(("runtime", str(target.pid), "--live", "--duration", "10m"), "app._seen")
    finally:
        target.kill()
        target.communicate()
    drawing, _, report = text.partition("interrupted after")
    assert "watched" in drawing
    assert "app._seen" in drawing
    assert "\x1b[?25h" in text  # the cursor is back
    assert "finding checked" in report
    assert code in (0, 1)  # seconds may be too few to confirm anything


def on_terminal(args: Sequence[str], until: str) -> tuple[int, str]:
    """Run leakaudit on a terminal of its own; press Ctrl-C when `until` has been drawn. Returns its code and output."""
    import pty  # not everywhere

    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        os.execve(sys.executable, [sys.executable, "-m", "leakaudit", *args], environment)
    text, pressed, end = "", False, time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # the other end has gone
                break
            if not chunk:
                break
            text += chunk.decode(errors="replace")
            if not pressed and until in text:
                os.write(terminal, b"\x03")
                pressed = True
        else:
            os.kill(pid, 9)
            pytest.fail(f"no end within {PATIENCE_S} s: {text[-2000:]}")
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), text
