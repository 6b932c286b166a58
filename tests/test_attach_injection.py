"""Code placed in live interpreters runs once, and the interpreters never notice."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from attach_targets import Interpreter, interpreters, running

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import ladder, preflight

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from leakaudit.runtime.attach.injector import Injection

TIMED = (
    "sleep", "select_", "poll", "epoll", "recv", "lock_with_timeout", "sigtimedwait", "asyncio_sleep", "c_sleep",
    "c_poll",
)  # fmt: skip
UNTIL = (
    "recv_until", "read_until", "accept_until", "child_until", "join_until", "event_until", "queue_until",
    "asyncio_until", "busy_until", "allocating_until", "allocating_join_until", "timer_storm_until",
)  # fmt: skip
WORKING = ("asyncio_until", "busy_until", "allocating_until", "allocating_join_until", "timer_storm_until")
ATTACHES = 2
#: How long a timed state lasts: longer where a slow machine let that time run out under our hands.
LAST_S = (3.0, 8.0, 24.0)
#: When our last visit to such a state begins; a wait that it made to begin again would last that much longer.
LATE = 0.6
#: When it has to be over.
LATEST = 0.85


@dataclass(frozen=True)
class Visit:
    """What attaching to one target came to."""

    injections: tuple[Injection, ...]
    runs: tuple[str, ...]
    exit_code: int
    stderr: str
    report: dict[str, object]
    lasts_s: float
    refusal: str = ""


def attach(process: subprocess.Popen[str], mark: Path) -> Injection:
    """Let the target append a line to `mark`, which says that the code ran."""
    before = size(mark)
    source = f"with open({str(mark)!r}, 'a') as mark: mark.write(__name__ + '\\n')\n".encode()
    target = preflight.inspect(process.pid)
    return ladder.choose(target).inject(target, source, lambda: size(mark) > before, deadline_s=60)


def size(mark: Path) -> int:
    return mark.stat().st_size if mark.exists() else 0


def visit(interpreter: Interpreter, state: str, folder: Path) -> Visit:
    for lasts_s in LAST_S:
        seen, in_time = visit_once(interpreter, state, folder / f"{state}-{lasts_s}", lasts_s)
        # Where time ran out the target must not be hurt either.
        if in_time or state not in TIMED or (seen.exit_code, seen.stderr) != (0, ""):
            break
    return seen


def visit_once(interpreter: Interpreter, state: str, mark: Path, lasts_s: float) -> tuple[Visit, bool]:
    """Attach again and again; tells as well whether a timed state gave us the time."""
    with running(interpreter, state, lasts_s) as process:
        began = time.monotonic()
        injections: tuple[Injection, ...] = ()
        refusal = ""
        try:
            for attach_number in range(ATTACHES):
                if state in TIMED and attach_number == ATTACHES - 1:
                    time.sleep(max(0, began + LATE * lasts_s - time.monotonic()))
                injections += (attach(process, mark),)
        except AttachError as error:
            refusal = str(error)
        in_time = time.monotonic() < began + LATEST * lasts_s
        output, errors = process.communicate("\n", timeout=120)
    report = json.loads(output.splitlines()[-1]) if process.returncode == 0 else {}
    runs = tuple(mark.read_text().splitlines()) if mark.exists() else ()
    return Visit(injections, runs, process.returncode, errors, report, lasts_s, refusal), in_time


def visit_all(interpreter: Interpreter, folder: Path) -> dict[str, Visit]:
    states = (*TIMED, *UNTIL)
    with ThreadPoolExecutor(len(TIMED) + 2) as pool:
        visited = pool.map(lambda state: visit(interpreter, state, folder), states)
        return dict(zip(states, visited, strict=True))


@pytest.fixture(scope="module")
def under_way(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[Interpreter, Future[dict[str, Visit]]]]:
    """Visit the interpreters two at a time, because most of a visit is waiting."""
    with ThreadPoolExecutor(2) as pool:
        yield {
            each: pool.submit(visit_all, each, tmp_path_factory.mktemp("marks")) for each in interpreters()
        }


@pytest.fixture(scope="module", params=interpreters(), ids=str)
def visits(
    request: pytest.FixtureRequest, under_way: dict[Interpreter, Future[dict[str, Visit]]]
) -> dict[str, Visit]:
    """Attach to one interpreter in every state."""
    return under_way[request.param].result(timeout=600)


@pytest.mark.parametrize("state", [*TIMED, *UNTIL])
def test_code_runs_once_per_attach_and_the_target_ends_well(visits: dict[str, Visit], state: str) -> None:
    seen = visits[state]
    assert seen.refusal == ""
    assert set(seen.runs) <= {"__leakaudit__"}
    assert len(seen.injections) == len(seen.runs) == ATTACHES
    assert (seen.exit_code, seen.stderr) == (0, "")
    assert seen.report["new_names"] == []
    for injection in seen.injections:
        assert bool(injection.stops_ms) == (injection.method == "pending-call")
        assert 0 <= sum(injection.stops_ms) < injection.latency_ms


@pytest.mark.parametrize("state", TIMED)
def test_a_wait_takes_as_long_as_without_us(visits: dict[str, Visit], state: str) -> None:
    seen = visits[state]
    lasted = seen.report["lasted_s"]
    assert isinstance(lasted, float)
    assert seen.lasts_s - 0.01 <= lasted < (1 + LATE) * seen.lasts_s - 0.1


@pytest.mark.parametrize("state", WORKING)
def test_work_goes_on(visits: dict[str, Visit], state: str) -> None:
    progress = visits[state].report["progress"]
    assert isinstance(progress, int)
    assert progress > 0
