"""NVFlare's own workflows under `leakaudit compare`: cleaning up never, every 5 rounds, every round; fewer arenas.

    python bench/nvflare/matrix.py [WORKFLOW ...] [--repeat 2] [--keep DIR]

Makes an environment with nvflare 2.9.0 and numpy if `--venv` does not name one. Loopback only. A run takes about a
minute; `--keep` lets a second call go on where the first one ended.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
VERSION = "2.9.0"
WORKFLOWS = {"fedavg": "FedAvg", "scaffold": "SCAFFOLD", "cyclic": "Cyclic", "swarm": "Swarm"}
#: What the memory tests' table says of every workflow. NVFlare decides whether it is so.
EXPECTED = ("gc_rounds=0:growing", "gc_rounds=5:sawtooth", "gc_rounds=1:stable", "MALLOC_ARENA_MAX=4:peak<1x")

Result = dict[str, Any]


def interpreter(folder: Path) -> str:
    """Return an interpreter that has nvflare, making its environment where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    have = subprocess.run(
        [python, "-c", "from importlib.metadata import version as v; print(v('nvflare'))"],
        capture_output=True,
        text=True,
        check=False,
    )
    if have.stdout.strip() != VERSION:
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"nvflare=={VERSION}"], check=True)
    return str(python)


def command(workflow: str, python: str, options: argparse.Namespace) -> list[str]:
    """Return the comparison of one workflow."""
    drawn: tuple[str, ...] = ()
    if options.pictures:
        picture = options.pictures / f"nvflare-{workflow}.svg"
        drawn = ("--picture", str(picture), "--title", f"NVFlare {VERSION}: {WORKFLOWS[workflow]}")
    return [
        *(sys.executable, "-m", "leakaudit", "compare", "--format", "json"),
        *("--vary", "gc_rounds=0,5,1", "--env", "MALLOC_ARENA_MAX=,4"),
        *("--repeat", str(options.repeat), "--every", "100ms", "--warmup", "30%", "--timeout", "4m"),
        *("--floor", f"{4 * options.megabytes:g}MB", "-o", str(options.keep / workflow)),
        *(item for text in EXPECTED for item in ("--expect", text)),
        *drawn,
        *("--", python, str(HERE / "job.py"), workflow, "--gc-rounds", "{gc_rounds}"),
        *("--rounds", str(options.rounds), "--megabytes", str(options.megabytes)),
    ]


def compared(workflow: str, python: str, options: argparse.Namespace) -> Result:
    """Run a comparison and return its JSON."""
    done = subprocess.run(command(workflow, python, options), capture_output=True, check=False, text=True)
    if done.returncode == 2:
        sys.exit(f"{workflow} failed: {done.stderr}")
    return dict(json.loads(done.stdout))


def results(options: argparse.Namespace) -> dict[str, Result]:
    """Run the comparisons, `--lanes` of them at a time: a simulator mostly waits."""
    python = interpreter(options.venv)
    with ThreadPoolExecutor(options.lanes) as pool:
        found = pool.map(lambda workflow: compared(workflow, python, options), options.workflows)
        return dict(zip(options.workflows, found, strict=True))


def parse(description: str | None, temporary: Path) -> argparse.ArgumentParser:
    """Return the options that this and report.py share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workflows", nargs="*", default=list(WORKFLOWS), metavar="WORKFLOW")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--megabytes", type=float, default=8.0, help="size of the model")
    parser.add_argument("--lanes", type=int, default=4, help="comparisons at a time")
    parser.add_argument(
        "--keep", type=Path, default=temporary / "runs", help="keep the recordings, and reuse them"
    )
    parser.add_argument("--venv", type=Path, default=temporary / "venv", help="environment with nvflare")
    parser.add_argument("--pictures", type=Path, help="draw the curves as nvflare-WORKFLOW.svg")
    return parser


def main() -> None:
    """Run everything and print what came out as JSON."""
    with tempfile.TemporaryDirectory(prefix="leakaudit-nvflare-bench-") as temporary:
        print(json.dumps(results(parse(__doc__, Path(temporary)).parse_args())))


if __name__ == "__main__":
    main()
