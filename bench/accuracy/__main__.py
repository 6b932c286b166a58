"""How accurate are the rules? Downloads pinned releases, scans them, and writes docs/precision.md.

usage: python bench/accuracy [--work FOLDER] [--only fixes|labels] [--write docs/precision.md]

fixes.jsonl holds leaks that real projects fixed: the releases before and after, the file and the symbol. One is *found*
when a finding of the release before names the symbol, and *resolved* when it is found and the release after has no such
finding. labels.jsonl holds containers of released packages, each judged by reading its code. Both hold facts only.
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leakaudit.findings import Confidence, Finding
from leakaudit.findings.report import Report
from leakaudit.scan.api import ScanOptions, scan

HERE = Path(__file__).parent
LEAKS = ("leak", "slow-leak")


@dataclass(frozen=True)
class Release:
    """One release of a package, unpacked in `folder`."""

    package: str
    version: str
    folder: Path

    def file(self, name: str) -> Path | None:
        """Return the file whose path shares the longest tail with `name`."""
        wanted = name.split("/")
        best: tuple[int, Path] | None = None
        for path in self.folder.rglob(wanted[-1]):
            shared = sum(1 for _ in _shared(list(reversed(path.parts)), list(reversed(wanted))))
            if best is None or shared > best[0]:
                best = (shared, path)
        return best[1] if best is not None else None


def _shared(left: list[str], right: list[str]) -> Iterator[str]:
    for a, b in zip(left, right, strict=False):
        if a != b:
            return
        yield a


def fetch(package: str, version: str, work: Path) -> Release | None:
    """Download and unpack a release once; None when the index has none that can be had."""
    folder = work / "src" / f"{package}-{version}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=work) as temporary:
            archive = _download(package, version, Path(temporary))
            if archive is None:
                return None
            folder.mkdir(parents=True)
            if archive.suffix in (".whl", ".zip"):
                zipfile.ZipFile(archive).extractall(folder)
            else:
                with tarfile.open(archive) as packed:
                    packed.extractall(folder, filter="data")
    return Release(package, version, folder)


def _download(package: str, version: str, folder: Path) -> Path | None:
    for choice in (
        ("--only-binary=:all:",),
        ("--only-binary=:all:", "--python-version", "3.9"),
        ("--no-binary=:all:", "--no-build-isolation"),
    ):
        command = [
            sys.executable,
            "-m",
            "pip",
            "-q",
            "download",
            "--no-deps",
            "-d",
            str(folder),
            f"{package}=={version}",
            *choice,
        ]
        subprocess.run(command, capture_output=True, timeout=300, check=False)
        found = [path for path in folder.iterdir() if path.is_file()]
        if found:
            return found[0]
    return None


def audit(folder: Path) -> Report:
    """Scan a folder as a user would see it: medium and above."""
    return scan([folder], ScanOptions(confidence=Confidence.MEDIUM))


def fixes(work: Path) -> str:
    """Score the leaks that were fixed; return a Markdown table."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for row in _rows("fixes.jsonl"):
        before, after = (fetch(row["package"], row[side], work) for side in ("before", "after"))
        if before is None or after is None:
            print(f"not to be had: {row['package']} {row['before']} or {row['after']}", file=sys.stderr)
            continue
        names = set(re.findall(r"\w+", row["symbol"])) - {"self", "cls"}
        earlier, later = (_naming(release, row["file"], names) for release in (before, after))
        for key in ("all", row["kind"], "statically visible in one file" if row["visible"] else "hard"):
            counts[key]["entries"] += 1
            counts[key]["found"] += bool(earlier)
            counts[key]["resolved"] += bool(earlier) and not (
                {f.rule for f in earlier} & {f.rule for f in later}
            )
    lines = ["| leak | entries | found | resolved |", "|---|---|---|---|"]
    for key in (
        "all",
        "statically visible in one file",
        "hard",
        *sorted(k for k in counts if k not in ("all", "hard", "statically visible in one file")),
    ):
        count = counts[key]
        lines.append(
            f"| {key} | {count['entries']} | {_share(count['found'], count['entries'])} | {_share(count['resolved'], count['entries'])} |"
        )
    return "\n".join(lines)


def _naming(release: Release, name: str, names: set[str]) -> list[Finding]:
    path = release.file(name)
    if path is None:
        return []
    return [f for f in audit(path).findings if f.symbol.rpartition(".")[2] in names]


def labels(work: Path) -> str:
    """Score the judged containers; return Markdown tables of verdicts and of rules."""
    flagged: dict[str, collections.Counter[str]] = {
        "high": collections.Counter(),
        "high and medium": collections.Counter(),
    }
    by_rule: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    total: collections.Counter[str] = collections.Counter()
    lines_read = findings = 0
    for (package, version), rows in _by_package().items():
        release = fetch(package, version, work)
        if release is None:
            print(f"not to be had: {package} {version}", file=sys.stderr)
            continue
        report = audit(release.folder)
        lines_read += report.lines
        findings += len(report.findings)
        for row in rows:
            total[row["verdict"]] += 1
            hits = [f for f in report.findings if _is(f, row, release)]
            flagged["high and medium"][row["verdict"]] += bool(hits)
            flagged["high"][row["verdict"]] += any(f.confidence is Confidence.HIGH for f in hits)
            for rule in {f.rule for f in hits}:
                by_rule[rule]["right" if row["verdict"] in LEAKS else "wrong"] += 1
    text = [
        "| judged by reading | containers | flagged at high | flagged at high and medium |",
        "|---|---|---|---|",
    ]
    text += [
        f"| {verdict} | {total[verdict]} | {flagged['high'][verdict]} | {flagged['high and medium'][verdict]} |"
        for verdict in sorted(total)
    ]
    right = {level: sum(flagged[level][v] for v in LEAKS) for level in flagged}
    every = {level: sum(flagged[level].values()) for level in flagged}
    text.append(
        f"| **precision** | | {_share(right['high'], every['high'])} | {_share(right['high and medium'], every['high and medium'])} |"
    )
    text += [
        "",
        f"{findings} findings at medium and above in {lines_read:,} lines.",
        "",
        "| rule | right | wrong |",
        "|---|---|---|",
    ]
    text += [f"| {rule} | {by_rule[rule]['right']} | {by_rule[rule]['wrong']} |" for rule in sorted(by_rule)]
    return "\n".join(text)


def _is(finding: Finding, row: dict[str, str], release: Release) -> bool:
    if Path(finding.location.path) != release.folder / row["file"]:
        return False
    if finding.symbol.rpartition(".")[2] == row["symbol"] and row["cls"] in finding.symbol:
        return True
    places = {finding.location.line, *(r.location.line for r in finding.related)}
    return any(abs(line - int(wanted)) <= 1 for line in places for wanted in (row["line"], row["grows"]))


def _by_package() -> dict[tuple[str, str], list[dict[str, str]]]:
    found: dict[tuple[str, str], list[dict[str, str]]] = collections.defaultdict(list)
    for row in _rows("labels.jsonl"):
        found[(row["package"], row["version"])].append(row)
    return found


def _rows(name: str) -> Iterator[dict[str, str]]:
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "-"


def main() -> None:
    """Run what was asked for and print, or write, the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "leakaudit-accuracy")
    parser.add_argument("--only", choices=["fixes", "labels"])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    text = [
        "# Precision",
        "",
        "Written by `make accuracy` (bench/accuracy); what it scores is described there. Found and resolved are counted at medium and above.",
        "",
    ]
    if options.only != "labels":
        text += ["## Leaks that real projects fixed", "", fixes(options.work), ""]
    if options.only != "fixes":
        text += ["## Containers of released packages", "", labels(options.work), ""]
    print("\n".join(text))
    if options.write is not None:
        options.write.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
