"""Start the demo's federated server with its nodes, as real processes on the loopback interface."""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leakaudit.demo.processes import Child, Children
from leakaudit.errors import LeakAuditError

NODES = ("agg_0", "agg_1", "pos_0", "pos_1", "pos_2", "tac_0", "tac_1", "tac_2")
ROUND_INTERVAL_S = 0.25
READY_TIMEOUT_S = 30.0
#: The server ends by itself this long after the demo should have, in case the demo itself was killed.
LEFT_ALONE_S = 120.0

_PACKAGE = Path(__file__).resolve().parent


class DemoError(LeakAuditError):
    """The demo cannot run here, or did not show what it should."""


@dataclass(frozen=True, slots=True)
class Federation:
    """A running federation: the server's pid, and the pids of its nodes."""

    server: int
    nodes: tuple[int, ...]


def federated_dir() -> Path:
    """Return the federated server's folder: leakaudit/demo/federated in a wheel, the test fixture in a checkout."""
    shipped = _PACKAGE / "federated"
    if shipped.is_dir():
        return shipped
    checkout = _PACKAGE.parent.parent
    fixture = checkout / "tests" / "fixtures" / "federated"
    if (checkout / "pyproject.toml").is_file() and fixture.is_dir():
        return fixture
    raise DemoError(f"the demo's server is missing beside {_PACKAGE}", "install leakaudit again")


def server_dir(fixed: bool) -> Path:
    """Return the source of the leaking server, or of its cured twin."""
    return federated_dir() / ("fixed" if fixed else "server")


@contextlib.contextmanager
def running_federation(duration_s: float, fixed: bool = False) -> Iterator[Federation]:
    """Run the server and eight nodes for the length of the block; they and their data are gone after it."""
    with tempfile.TemporaryDirectory(prefix="leakaudit-demo-") as folder, Children(Path(folder)) as children:
        data_dir = Path(folder, "data")
        data_dir.mkdir()
        server = _start_server(children, data_dir, duration_s, fixed)
        port = server.wait_for("PORT", READY_TIMEOUT_S)
        program = str(federated_dir() / "nodes" / "__main__.py")
        nodes = tuple(
            children.start(name, (sys.executable, program, "--names", name, "--port", port)).pid
            for name in NODES
        )
        yield Federation(server.pid, nodes)


def _start_server(children: Children, data_dir: Path, duration_s: float, fixed: bool) -> Child:
    rounds = math.ceil((duration_s + LEFT_ALONE_S) / ROUND_INTERVAL_S)
    return children.start(
        "server",
        (
            sys.executable,
            str(server_dir(fixed) / "main.py"),
            *("--port", "0"),
            *("--round-interval", str(ROUND_INTERVAL_S)),
            *("--rounds", str(rounds)),
            *("--min-nodes", str(len(NODES))),
            *("--data-dir", str(data_dir)),
        ),
    )
