"""The one Report: what scan and runtime both end in, and what every renderer starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leakaudit.findings.model import Confidence, Finding, Status

#: The kind of evidence that lowers a finding's confidence because of the file that it stands in.
DEMOTION = "place"


@dataclass(frozen=True, slots=True)
class FileError:
    """A file that could not be audited, and why; or the file of a `rule` that failed. The rest of the run went on."""

    path: str
    reason: str
    line: int | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Unexplained:
    """Growth that no finding explains: a type, its rates per second, and what keeps it alive.

    `symbol` is the container's name as a finding would give it, empty where it has none; `count` then counts entries,
    otherwise objects. `path` and `line` are its declaration.
    """

    type_name: str
    count: tuple[int, int]
    count_per_s: float
    bytes_per_s: float | None = None
    share: float | None = None
    retaining_path: tuple[str, ...] = ()
    path: str | None = None
    line: int | None = None
    symbol: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One figure over the audit: first, last and largest value, and its trend in one word.

    `part_of` names the series that it sums up to with others; empty for a figure of its own.
    """

    name: str
    unit: str
    first: float
    last: float
    largest: float
    trend: str = ""
    points: tuple[tuple[float, float], ...] = ()
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Seconds until a limit of memory is reached: as expected, at the soonest and at the latest."""

    limit: str
    bytes: float
    expected_s: float
    soonest_s: float
    latest_s: float


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What the target gave back when asked to: resident bytes before, after collecting, and after trimming.

    `unreachable` objects were collected; the last figure and `trim_ms` are None where the C library cannot trim.
    """

    before: int
    collected: int
    trimmed: int | None
    unreachable: int
    collect_ms: float
    trim_ms: float | None


@dataclass(frozen=True, slots=True)
class RuntimeAudit:
    """What the runtime half did to the target and saw beside the findings. Durations in seconds, pauses in ms."""

    pid: int
    python: str
    method: str
    duration_s: float
    interval_s: float
    samples: int
    attach_pause_ms: float
    largest_pause_ms: float
    heap_growth_bytes_per_s: float | None = None
    series: tuple[Series, ...] = ()
    rss_account: tuple[tuple[str, float], ...] = ()
    unexplained: tuple[Unexplained, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""
    ended_early: str = ""
    outlook: tuple[Outlook, ...] = ()
    reclaimed: Reclaimed | None = None
    host: str = ""
    marks: tuple[tuple[float, str], ...] = ()  # seconds since the first sample, what the program said


@dataclass(frozen=True, slots=True)
class Report:
    """Findings (shown ones first decided here, once), errors, and the counts that every format prints."""

    kind: str  # "scan" | "runtime"
    findings: tuple[Finding, ...]
    errors: tuple[FileError, ...] = ()
    files: int = 0
    lines: int = 0
    seconds: float = 0.0
    runtime: RuntimeAudit | None = None
    notes: tuple[str, ...] = ()
    threshold: Confidence = Confidence.MEDIUM
    fixed: tuple[Finding, ...] = ()  # gone from `findings`: what --fix mended, each with its fix
    processes: tuple[Report, ...] = ()  # of several processes, which this report adds up

    @property
    def shown(self) -> tuple[Finding, ...]:
        """The findings at or above the threshold that nothing suppresses."""
        return tuple(
            f for f in self.findings if f.suppressed is None and f.confidence.rank >= self.threshold.rank
        )

    @property
    def suppressed(self) -> tuple[Finding, ...]:
        """The findings that a comment or the baseline silences."""
        return tuple(f for f in self.findings if f.suppressed is not None)

    @property
    def demoted(self) -> tuple[Finding, ...]:
        """The active findings whose confidence is low only because of the file: tests, test data, generated."""
        return tuple(
            f
            for f in self.findings
            if f.suppressed is None and any(item.fact == DEMOTION for item in f.evidence)
        )

    @property
    def confirmed(self) -> tuple[Finding, ...]:
        """The findings that the live process confirmed."""
        return tuple(
            f for f in self.findings if f.verdict is not None and f.verdict.status is Status.CONFIRMED
        )

    def with_findings(self, findings: tuple[Finding, ...]) -> Report:
        """Return the same report over other findings."""
        return replace(self, findings=findings)
