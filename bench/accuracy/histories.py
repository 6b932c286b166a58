"""How do the rules do on leak fixes that they were not written from? Reads them out of clones of the projects.

usage: python bench/accuracy/histories.py CLONES [--write docs/fresh-fixes.md]

histories.jsonl names leaks that commits mended: repository, commit, file, symbol, the lines before the mend, and why it
leaks. CLONES holds clones of the repositories as OWNER+NAME (or OWNER/NAME), bare or not; those that are not there are
left out. A leak is *found* when a finding of the file before the mend has its symbol or stands within two lines of it, and
*resolved* when no such finding is left after the mend. Each file is scanned by itself.
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leakaudit.findings import Confidence, Finding
from leakaudit.scan.api import ScanOptions, scan

HERE = Path(__file__).parent
BEGIN, END = "<!-- fixes: begin -->", "<!-- fixes: end -->"
NEAR = 2  # lines


def rows(clones: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Yield each leak whose repository is there, with the folder of that."""
    for line in (HERE / "histories.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        repository = clone_of(row["repo"], clones)
        if repository is not None:
            yield row, repository


def clone_of(name: str, clones: Path) -> Path | None:
    """Return the clone of a repository, None if it is not there."""
    for folder in (clones / name.replace("/", "+"), clones / name):
        for place in (folder / "repo", folder):
            if (place / "HEAD").exists() or (place / ".git").exists():
                return place
    return None


def findings(repository: Path, commit: str, name: str, folder: Path) -> tuple[Finding, ...]:
    """Return the findings at medium and above in a file as it was at a commit."""
    shown = subprocess.run(
        ("git", "-C", str(repository), "show", f"{commit}:{name}"), capture_output=True, check=True
    )
    path = folder / Path(name).name
    path.write_bytes(shown.stdout)
    return tuple(scan([path], ScanOptions(confidence=Confidence.MEDIUM)).findings)


def tells(finding: Finding, row: dict[str, Any]) -> bool:
    """Whether a finding in the file before the mend speaks of the leak."""
    names = set(re.findall(r"\w+", row["symbol"])) - {"self", "cls"}
    lines = {finding.location.line, *(related.location.line for related in finding.related)}
    near = any(abs(line - at) <= NEAR for line in lines for at in row["lines"])
    return near or finding.symbol.rpartition(".")[2] in names


def judge(row: dict[str, Any], repository: Path) -> tuple[bool, bool]:
    """Return whether a leak is found, and whether it is resolved."""
    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as after:
        earlier = findings(repository, f"{row['fix']}^", row["file"], Path(before))
        later = findings(repository, row["fix"], row["file"], Path(after))
    told = {(found.rule, found.symbol) for found in earlier if tells(found, row)}
    return bool(told), bool(told) and not told & {(found.rule, found.symbol) for found in later}


def table(counts: dict[tuple[str, str], collections.Counter[str]]) -> str:
    """Return the counts as a table."""
    lines = ["| leaks | part | entries | found | resolved |", "|---|---|---|---|---|"]
    for (what, part), count in sorted(counts.items()):
        shares = (f"{count[key]} ({count[key] / count['entries']:.0%})" for key in ("found", "resolved"))
        lines.append(f"| {what} | {part} | {count['entries']} | {' | '.join(shares)} |")
    return "\n".join(lines)


def main() -> None:
    """Score, print, and write if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clones", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    counts: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for row, repository in rows(options.clones):
        found, resolved = judge(row, repository)
        seen = "all that one file shows" if row["visible"] else "all others"
        for what in (seen, row["kind"]):
            counts[what, row["part"]].update(entries=1, found=int(found), resolved=int(resolved))
    text = table(counts)
    print(text)
    if options.write is not None:
        page = options.write.read_text(encoding="utf-8")
        head, tail = page.partition(BEGIN)[0], page.partition(END)[2]
        options.write.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
