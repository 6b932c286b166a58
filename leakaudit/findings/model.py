"""The carriers that scan, runtime and the reporters share. All are frozen; tuples, not lists."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum


class Severity(str, Enum):
    """The harm if the finding is true."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(str, Enum):
    """The likelihood that the finding is true."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """2 for high, 1 for medium, 0 for low."""
        return {"high": 2, "medium": 1, "low": 0}[self.value]


class ProbeKind(str, Enum):
    """How the agent gets from names to an object in the live process."""

    MODULE_ATTRIBUTE = "module-attribute"  # module.attribute
    CLASS_ATTRIBUTE = "class-attribute"  # module.qualname.attribute
    INSTANCE_ATTRIBUTE = "instance-attribute"  # attribute of every live instance of module.qualname
    CLOSURE_CELL = "closure-cell"  # cell `attribute` of every live function module.qualname
    DEFAULT_ARGUMENT = "default-argument"  # default of parameter `attribute` of module.qualname
    FUNCTION_ATTRIBUTE = "function-attribute"  # module.qualname.attribute, qualname a function
    FUNCTION_CACHE = "function-cache"  # cache_info() of module.qualname
    LOGGING_HANDLERS = "logging-handlers"  # handlers of all loggers
    LOGGERS = "loggers"  # names known to the logging manager
    TASKS = "tasks"  # live asyncio tasks whose coroutine is module.qualname
    THREADS = "threads"  # live threads whose target is module.qualname
    EXIT_FUNCTIONS = "exit-functions"  # functions registered with atexit
    FINALIZERS = "finalizers"  # live objects of weakref.finalize that would call `attribute`
    TYPE_COUNT = "type-count"  # live instances of `object_types`


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a source file. `line` and `column` count from 1; `path` is as the user gave it, `/`-separated."""

    path: str
    line: int
    column: int = 1
    end_line: int | None = None
    end_column: int | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """A secondary place of a finding, with what happens there."""

    location: Location
    message: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact for or against a finding.

    `fact` is its kind (lifetime, context, key, cleanup, ...), `value` the answer, `weight` what it adds to the
    confidence score (negative speaks against), `reason` the sentence that is printed.
    """

    fact: str
    value: str
    reason: str
    weight: int = 0
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """An address in a live process: what the runtime half looks up to confirm or clear a finding.

    `module` is the dotted module name as far as the scan knows it, `path` the source file (the agent finds the
    module by its file where the name differs, `__main__` above all); `qualname` names the class or function,
    `attribute` the attribute, cell or parameter.
    """

    kind: ProbeKind
    module: str
    path: str
    qualname: str = ""
    attribute: str = ""
    object_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fix:
    """A change of the source that mends the finding. `edits` are (start offset, end offset, text), in bytes of the file."""

    description: str
    safe: bool
    edits: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a finding does not count: an inline comment, the baseline, or the configuration."""

    by: str  # "comment" | "baseline" | "config" (per-file-ignores)
    reason: str = ""
    location: Location | None = None


class Status(str, Enum):
    """What the live process said of a finding."""

    CONFIRMED = "confirmed"
    NOT_GROWING = "not-growing"
    BOUNDED = "bounded"
    UNRESOLVED = "unresolved"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class SharedBytes:
    """Bytes that another confirmed finding, `symbol`, holds too."""

    symbol: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The runtime half's answer. Rates are per second; `share` is of live heap growth, 0 to 1, None if unknown.

    `entries` is (first, last); `exact_bytes` tells sizes from the census (True) from sampled estimates (False).
    `bytes` is what would go with the containers; `share` divides what several confirmed findings hold among them, who
    are in `shared_with`; `exclusive_bytes` is what no other holds, the least that mending this one alone frees.
    `points` are the counts that were judged, as (seconds since the first sample, count).
    """

    status: Status
    reason: str
    entries_per_s: float | None = None
    bytes_per_s: float | None = None
    share: float | None = None
    entries: tuple[int, int] | None = None
    bytes: tuple[int, int] | None = None
    samples: int = 0
    exact_bytes: bool = True
    retaining_path: tuple[str, ...] = ()
    points: tuple[tuple[float, int], ...] = ()
    exclusive_bytes: int | None = None
    shared_with: tuple[SharedBytes, ...] = ()


#: The fact of evidence that no rule stands behind a finding: it counts only if the live process confirms it.
WATCHED = "watched"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reported problem: a suspicion with an address, and its verdict once the live process was asked."""

    rule: str
    name: str
    location: Location
    symbol: str
    message: str
    severity: Severity
    confidence: Confidence
    evidence: tuple[Evidence, ...] = ()
    related: tuple[Related, ...] = ()
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    object_types: tuple[str, ...] = ()
    probe: Probe | None = None
    fix: Fix | None = None
    suppressed: Suppression | None = None
    verdict: Verdict | None = None
    scope: str = field(default="")  # what tells two findings of one symbol apart; part of the fingerprint

    @property
    def only_watched(self) -> bool:
        """Whether no rule stands behind it."""
        return any(item.fact == WATCHED for item in self.evidence)

    @property
    def fingerprint(self) -> str:
        """Identity across runs: rule, symbol and scope; no line numbers, no addresses, no directories."""
        text = "|".join((self.rule, self.symbol, self.scope))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
