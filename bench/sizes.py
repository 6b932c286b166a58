"""Compare sizes of objects with what the allocators really hand out, on every Python that this machine has.

python bench/sizes.py                               print the table
python bench/sizes.py --write docs/runtime-cost.md  put it into the page

Three ways to size the same objects: the census's own, pympler's `asizeof`, and the sum of `sys.getsizeof` over all
that is reached. The truth is the growth of pymalloc's and the C library's live bytes while they were made.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "bench")]

BEGIN, END = "<!-- sizes: begin -->", "<!-- sizes: end -->"
PROGRAM = """
import gc, json, os, sys
sys.path.insert(0, sys.argv[1] + "/lib")
gc.disable()
names = {"__name__": "leakaudit_agent"}
exec(compile(open(sys.argv[1] + "/agent.py").read(), "agent", "exec"), names)
from census_child.library import library
library.update(names)
names["learn_types"]()
from census_child.retained import Holdings
from census_child.allocator import malloc, pymalloc
from pympler import asizeof
N = 20000
class Plain:
    def __init__(self, i): self.number, self.text, self.more = i, str(i) * 5, float(i)
class Slots:
    __slots__ = ("number", "text")
    def __init__(self, i): self.number, self.text = i, str(i) * 5
class Sub(dict):
    pass
KINDS = {
    "instances": lambda: [Plain(i + 1000) for i in range(N)],
    "slots": lambda: [Slots(i + 1000) for i in range(N)],
    "dicts": lambda: {i + 1000: {"a": float(i), "b": str(i)} for i in range(N)},
    "lists": lambda: [[float(i)] * 5 for i in range(N)],
    "tuples": lambda: [(float(i), (float(i),)) for i in range(N)],
    "sets": lambda: [{float(i), str(i)} for i in range(N)],
    "bytes": lambda: [bytes(700) + str(i).encode() for i in range(N)],
    "subclasses": lambda: [Sub(a=float(i)) for i in range(N)],
}
def live():
    used = malloc()
    return pymalloc(sys.argv[1] + "/figures")["bytes in allocated blocks"] + (used[0] + used[2] if used else 0)
def sum_of_sizes(obj):
    seen, todo, total = {}, [obj], 0
    while todo:
        item = todo.pop()
        if id(item) not in seen and not isinstance(item, type):
            seen[id(item)] = item
            total += sys.getsizeof(item)
            todo.extend(gc.get_referents(item))
    return total
told = {}
for kind, make in KINDS.items():
    made = make()
    made = None
    live(), live()
    before = live()
    made = make()
    truth = live() - before
    holdings = Holdings({0: [made]})
    ours = holdings.retained_bytes(0)
    del holdings
    plain = sum_of_sizes(made)
    theirs = asizeof.asizeof(made)
    told[kind] = [truth, ours, theirs, plain]
    made = None
print(json.dumps(told))
"""


def measure(python: str) -> dict[str, tuple[float, float, float]]:
    """Return kind of objects -> each way's size over the truth: the census's, pympler's, the sum of getsizeof's."""
    from leakaudit.runtime import census
    from leakaudit.runtime.link import AGENT

    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**census.tools(), "agent.py": AGENT.read_bytes()}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        done = subprocess.run(
            [python, "-S", "-c", PROGRAM, folder], capture_output=True, text=True, check=False, timeout=300
        )
    if done.returncode:
        raise SystemExit(f"{python}: {done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    return {
        kind: (ours / truth, theirs / truth, plain / truth)
        for kind, (truth, ours, theirs, plain) in told.items()
    }


def table(found: dict[str, dict[str, tuple[float, float, float]]]) -> str:
    """Return the ratios as a Markdown table: the census's / pympler's / the sum of getsizeof's."""
    kinds = list(next(iter(found.values())))
    lines = ["| Python | " + " | ".join(kinds) + " |", "|---|" + "---|" * len(kinds)]
    for version, ratios in found.items():
        cells = (" / ".join(f"{ratio:.2f}" for ratio in ratios[kind]) for kind in kinds)
        lines.append(f"| {version} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and put it into a page if one is named."""
    parser = argparse.ArgumentParser(
        description="Compare sizes of objects with what the allocators hand out."
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args(arguments)
    import attach_targets
    from pauses import put

    text = table({str(item): measure(item.path) for item in attach_targets.interpreters()})
    print(text)
    if options.write:
        put(options.write, text, (BEGIN, END))


if __name__ == "__main__":
    main()
