"""The memory test: each job with cleaning up never, every 5 rounds and every round, with and without fewer arenas.

    python examples/federated/matrix.py                      # all four: about a minute on an idle machine
    python examples/federated/matrix.py fedavg --repeat 3
    python examples/federated/matrix.py --keep out/ --pictures docs/pictures/

Exits 1 if one of them does not behave as expected.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBS = {"fedavg": "FedAvg", "scaffold": "SCAFFOLD", "cyclic": "Cyclic", "swarm": "Swarm"}
EXPECTED = (
    "gc_rounds=0:growing",
    "gc_rounds=5:sawtooth",
    "gc_rounds=5:peak<0.6x",
    "gc_rounds=1:stable",
    "gc_rounds=1:peak<0.6x",
    "MALLOC_ARENA_MAX=4:peak<1.05x",
)
#: A round's own working memory comes and goes: that much is not worth a word. SCAFFOLD sends two arrays, not one.
FLOORS = {"fedavg": "20MB", "scaffold": "35MB", "cyclic": "20MB", "swarm": "20MB"}


def command(job: str, options: argparse.Namespace) -> list[str]:
    """Return the comparison of one job."""
    kept = ["-o", str(options.keep / job)] if options.keep else []
    drawn = (
        ["--picture", str(options.pictures / f"{job}.svg"), "--title", JOBS[job]] if options.pictures else []
    )
    return [
        *(sys.executable, "-m", "leakaudit", "compare"),
        *("--vary", "gc_rounds=0,5,1", "--env", "MALLOC_ARENA_MAX=,4"),
        *("--repeat", str(options.repeat), "--every", "25ms", "--warmup", "25%", "--floor", FLOORS[job]),
        *("--timeout", "2m"),
        *(item for text in EXPECTED for item in ("--expect", text)),
        *kept,
        *drawn,
        *("--", sys.executable, str(HERE / f"{job}.py"), "--gc-rounds", "{gc_rounds}"),
        *("--rounds", str(options.rounds)),
    ]


def main() -> int:
    """Run the comparisons one after another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"{', '.join(JOBS)} (default: all)")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the recordings, and reuse them")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw the curves as JOB.svg")
    options = parser.parse_args()
    unknown = set(options.jobs) - set(JOBS)
    if unknown:
        parser.error(f"there is no job {', '.join(sorted(unknown))}")
    worst = 0
    for job in options.jobs or JOBS:
        print(f"\n{JOBS[job]}\n", flush=True)
        worst = max(worst, subprocess.run(command(job, options), check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
