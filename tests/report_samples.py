"""One scan report and one runtime report that the renderers' tests share, and the source that they speak of."""

from __future__ import annotations

from dataclasses import replace

from leakaudit.findings import (
    Confidence,
    Evidence,
    Finding,
    Fix,
    Location,
    Probe,
    ProbeKind,
    Related,
    Severity,
    Status,
    Suppression,
    Verdict,
)
from leakaudit.findings.report import FileError, Report, RuntimeAudit, Series, Unexplained

SOURCE = {
    "server/limits.py": {
        41: "_hits: dict[str, list[float]] = defaultdict(list)",
        57: "    _hits[request.client.host].append(now)",
        58: "    _hits[ip] = [t for t in _hits[ip] if t > cutoff]",
    },
    "routes/auth.py": {22: '@app.post("/login")'},
    "server/hub.py": {9: "\tself.listeners.append(callback)"},
}


def source_line(path: str, number: int) -> str | None:
    return SOURCE.get(path, {}).get(number)


HITS = Finding(
    rule="LA101",
    name="unbounded-mapping",
    location=Location("server/limits.py", 41, 1, 41, 6),
    symbol="server.limits._hits",
    message="`_hits` keeps one entry per client address for the life of the process",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    evidence=(
        Evidence("lifetime", "process", "module level: lives until the process ends", 2),
        Evidence("context", "per-event", "grows in a request handler", 2, Location("routes/auth.py", 22, 1)),
        Evidence(
            "key", "fresh-per-event", "the key is `request.client.host`", 2, Location("server/limits.py", 57)
        ),
    ),
    related=(
        Related(Location("server/limits.py", 41), "created here, module level: lives until the process ends"),
        Related(
            Location("server/limits.py", 57, 5, 57, 10),
            "grows here, called from `POST /login` (routes/auth.py:22); the key is `request.client.host`, unbounded",
        ),
        Related(
            Location("server/limits.py", 58, 5, 58, 10),
            "trims only the current key's list; keys are never removed",
        ),
        Related(Location("routes/auth.py", 22), "called from here"),
    ),
    notes=("no `pop`, `del`, `clear`, size check or expiry on `_hits` in 143 scanned files",),
    help=(
        "bound the keys: `cachetools.TTLCache(maxsize=10_000, ttl=60)`, or sweep expired keys on a timer",
        "if the key set is finite, say so: `# leakaudit: bounded=reason`",
    ),
    object_types=("dict",),
    probe=Probe(ProbeKind.MODULE_ATTRIBUTE, "server.limits", "server/limits.py", "", "_hits", ("dict",)),
    fix=Fix("use a TTLCache", False, ((10, 20, "TTLCache(1000, 60)"),)),
)
LISTENERS = Finding(
    rule="LA301",
    name="handler-registry-never-cleared",
    location=Location("server/hub.py", 9, 2),
    symbol="server.hub.Hub.listeners",
    message="`listeners` keeps every callback",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    scope="append",
)
QUIET = replace(LISTENERS, symbol="server.hub.Hub.maybe", confidence=Confidence.LOW)
SILENCED = replace(
    LISTENERS,
    symbol="server.hub.Hub.known",
    suppressed=Suppression("comment", "few tenants", Location("server/hub.py", 9)),
)
BASELINED = replace(LISTENERS, symbol="server.hub.Hub.old", suppressed=Suppression("baseline"))

SCAN = Report(
    kind="scan",
    findings=(LISTENERS, HITS, QUIET, SILENCED, BASELINED),
    errors=(
        FileError("server/broken.py", "invalid syntax", 3),
        FileError("server/blob.py", "holds NUL bytes"),
    ),
    files=143,
    lines=20417,
    seconds=0.4183,
    notes=("server/hub.py:4: unused suppression `ignore[LA101]`: nothing to silence here",),
)

_AUDIT = RuntimeAudit(
    pid=4242,
    python="3.11.7",
    method="ptrace",
    duration_s=60.04,
    interval_s=5.0,
    samples=13,
    attach_pause_ms=3.21,
    largest_pause_ms=7.94,
    heap_growth_bytes_per_s=77627.0,
    series=(
        Series("rss", "bytes", 104857600, 109517619, 109517619, "steady growth", (*((5.0 * n, 104857600.0 + 388335 * n) for n in range(12)), (60.0, 109517619))),
        Series("threads", "count", 12, 12, 13, "stable", tuple((5.0 * n, 12 + (n == 4)) for n in range(13))),
        Series("open descriptors", "count", 40, 41, 44, "plateau", tuple((5.0 * n, 40 + min(n, 1) + 3 * (n == 4)) for n in range(13))),
        Series("main heap", "bytes", 60e6, 66e6, 66e6, "", tuple((15.0 * n, 60e6 + 1.5e6 * n) for n in range(5)), "rss"),
        Series("programs and libraries", "bytes", 40e6, 40e6, 40e6, "", tuple((15.0 * n, 40e6) for n in range(5)), "rss"),
    ),
    rss_account=(("named containers", 3_000_000), ("other Python objects", 80_000_000), ("native", 21_857_600)),
    unexplained=(
        Unexplained("builtins.bytes", (10, 400), 6.5, 9000.0, 0.12, ("module x", "dict", "list"), "server/hub.py", 30),
        Unexplained("Thing", (1, 2), 0.01),
    ),
    notes=("sizes come from a census in a forked child",),
    command="python -m server",
)  # fmt: skip

RUNTIME = Report(
    kind="runtime",
    findings=(
        replace(QUIET, verdict=Verdict(Status.NOT_GROWING, "12 samples, never above 3 entries", 0.0, None, None, (3, 3), samples=13)),
        replace(
            HITS,
            verdict=Verdict(
                Status.CONFIRMED,
                "grew in each of 12 intervals",
                entries_per_s=38.2,
                bytes_per_s=51234.0,
                share=0.66,
                entries=(1204, 3498),
                bytes=(1_500_000, 4_574_040),
                samples=13,
                retaining_path=("module server.limits", "_hits"),
                points=(*((5.0 * n, 1204 + 191 * n + n % 3) for n in range(12)), (60.0, 3498)),
            ),
        ),
        replace(LISTENERS, verdict=Verdict(Status.BOUNDED, "evicts at 100 entries", 0.0, 0.0, 0.0, (100, 100), (8000, 8000), 13, False, points=tuple((5.0 * n, 100) for n in range(13)))),
        replace(LISTENERS, symbol="server.hub.Hub.gone", verdict=Verdict(Status.UNRESOLVED, "module server.hub is not loaded")),
        replace(LISTENERS, symbol="server.hub.Hub.slow", verdict=Verdict(Status.INCONCLUSIVE, "watch 10 minutes more", 0.004, None, None, (3, 4), samples=13)),
    ),
    files=143,
    lines=20417,
    seconds=61.2,
    runtime=_AUDIT,
)  # fmt: skip

_LONG = "x" * 10_000
_EVIL = (
    "<script>alert(1)</script>\"'`|]]>--&amp;@admin #1 \x1b[31m\x00\u202e"
    "![i](http://x.invalid/p.png) www.x.invalid"
)
_AT = Location('we"ird/<img src=x onerror=alert(1)>.py', 7, 2, 7, 9)

#: Names that an attacker who writes the audited file may choose.
HOSTILE = replace(
    RUNTIME,
    findings=(
        *RUNTIME.findings,
        *(
            replace(
                HITS,
                location=_AT,
                symbol=name,
                message=f"`{name}` keeps {name}",
                evidence=(Evidence("key", name, name, 1, _AT),),
                related=(Related(_AT, name),),
                notes=(name,),
                help=(name,),
                verdict=Verdict(
                    Status.CONFIRMED,
                    name,
                    entries_per_s=1.0,
                    entries=(1, 2),
                    retaining_path=(name, name),
                    points=((0.0, 1), (1.0, 2)),
                ),
            )
            for name in (
                _EVIL,
                _LONG,
                "\udcff",
                "</script><script>alert(2)</script>",
                "{{ 7 * 7 }}",
                "<!-- --!>",
            )
        ),
    ),
    errors=(FileError("a\nb.py", _EVIL),),
    notes=(_EVIL,),
    runtime=replace(
        _AUDIT,
        command=_EVIL,
        series=(*_AUDIT.series, Series(_EVIL, "count", 0, 1, 1, "", ((0.0, 0), (1.0, 1)))),
        rss_account=(*_AUDIT.rss_account, (_EVIL, 5.0)),
        unexplained=(Unexplained(_EVIL, (1, 2), 1.0, retaining_path=(_EVIL, _LONG)),),
        notes=(_EVIL,),
    ),
)
