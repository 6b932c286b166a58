"""The baseline: findings that were there when leakaudit came, known by fingerprint and counted, not shown."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from leakaudit.errors import UsageError
from leakaudit.findings.model import Finding, Suppression

SCHEMA = "leakaudit/baseline/v1"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One accepted finding. Only the fingerprint decides; the rest is for those who read the file."""

    path: str
    symbol: str
    rule: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Applied:
    """The findings with `suppressed` set where the baseline holds them, and the entries that no finding matched."""

    findings: tuple[Finding, ...]
    fixed: tuple[Entry, ...]


def load(path: str | Path) -> tuple[Entry, ...]:
    """Read a baseline file; raises UsageError."""
    if Path(path).exists() and not Path(path).is_file():  # a device may never end
        raise UsageError(f"{path} is no file that could hold a baseline", "name another file")
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"no baseline at {path}", f"make one with --write-baseline {path}") from error
    except OSError as error:
        raise UsageError(f"cannot read the baseline {path} ({error.strerror})", "check its mode") from error
    except ValueError as error:
        raise UsageError(
            f"{path} is not a baseline, or damaged ({error})", "write it anew with --write-baseline"
        ) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(
            f"{path} is not a baseline of this version ({SCHEMA})", "write it anew with --write-baseline"
        )
    try:
        return tuple(
            Entry(str(item["path"]), str(item["symbol"]), str(item["rule"]), str(item["fingerprint"]))
            for item in document["findings"]
        )
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"the baseline {path} is damaged ({error!r})", "write it anew with --write-baseline"
        ) from error


def write(path: str | Path, findings: Iterable[Finding]) -> int:
    """Write the findings as the new baseline, one line each and sorted, so that it merges well; return their count."""
    if _holds_something_else(Path(path)):
        raise UsageError(f"{path} exists and is not a baseline", "name another file, or remove it")
    entries = sorted(_entry(finding) for finding in findings)
    lines = ",\n".join(
        "    "
        + json.dumps({"rule": e.rule, "symbol": e.symbol, "path": e.path, "fingerprint": e.fingerprint})
        for e in entries
    )
    body = f"\n{lines}\n  " if lines else ""
    text = f'{{\n  "schema": "{SCHEMA}",\n  "findings": [{body}]\n}}\n'
    draft = Path(f"{path}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"cannot write the baseline {path} ({error.strerror})") from error
    return len(entries)


def difference(path: str | Path, findings: Iterable[Finding]) -> tuple[int, int]:
    """Return how many entries of the file no finding matches any more, and how many findings are new to it.

    (0, 0) where there is no baseline yet, or none that can be read.
    """
    try:
        before = Counter(entry.fingerprint for entry in load(path))
    except UsageError:
        return 0, 0
    after = Counter(finding.fingerprint for finding in findings)
    return (before - after).total(), (after - before).total()


def apply(findings: Iterable[Finding], baseline: Iterable[Entry]) -> Applied:
    """Suppress the findings that the baseline holds. An entry covers one finding: a second of its kind is new.

    Of several findings of one kind the surest are covered, for those were shown when the baseline was written.
    """
    entries = tuple(baseline)
    left = Counter(entry.fingerprint for entry in entries)
    result = list(findings)
    for i in sorted(range(len(result)), key=lambda i: -result[i].confidence.rank):
        finding = result[i]
        if left[finding.fingerprint]:
            left[finding.fingerprint] -= 1
            result[i] = (
                finding if finding.suppressed else replace(finding, suppressed=Suppression("baseline"))
            )
    fixed: list[Entry] = []
    for entry in entries:
        if left[entry.fingerprint]:
            left[entry.fingerprint] -= 1
            fixed.append(entry)
    return Applied(tuple(result), tuple(fixed))


def _holds_something_else(path: Path) -> bool:
    """Tell whether writing would destroy what no scan can give back; a damaged baseline can be replaced."""
    if not path.is_file():
        return path.exists() and not path.is_dir()  # of a folder the system says it better
    with suppress(OSError), path.open("rb") as file:
        start = file.read(200)
        return bool(start.strip()) and b'"leakaudit/baseline/' not in start
    return False


def _entry(finding: Finding) -> Entry:
    return Entry(finding.location.path, finding.symbol, finding.rule, finding.fingerprint)
