"""Targets for the tests of the runtime half: programs that are started, ended by pid, and tell when they are ready."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import attach_targets

from leakaudit.findings import Confidence, Finding, Location, Probe, ProbeKind, Severity, Status
from leakaudit.runtime.channel import open_channel
from leakaudit.runtime.link import equip
from leakaudit.runtime.payload import payload

PATIENCE_S = 60.0
#: A copy of a target gives way to whoever works: on a machine at work that takes its time.
COPY_PATIENCE_S = 300.0


def interpreters():
    """Return version -> path of the interpreters on this machine, our own among them."""
    return {str(found): found.path for found in attach_targets.interpreters()}


@contextlib.contextmanager
def running(source, folder, python=sys.executable, name="target.py", options=()):
    """Start a program from its source; it is ready when it has printed READY. After the block it is dead."""
    path = Path(folder) / name
    path.write_text(source)
    process = subprocess.Popen(
        [python, *options, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        if line != "READY\n":
            process.kill()
            raise AssertionError(f"not ready: {line!r} {process.communicate()[1]}")
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process, expression):
    """Let a target that serves its standard input evaluate an expression; returns what it printed as JSON."""
    process.stdin.write(expression + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


#: The end of a program that evaluates lines from its standard input.
SERVE = """
import sys, json
print('READY', flush=True)
for line in iter(sys.stdin.readline, ''):
    print(json.dumps(eval(line)), flush=True)
"""


def wait_until(condition, patience_s=PATIENCE_S):
    """Return the first true answer; fail when there is none in time."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("waited in vain")


@contextlib.contextmanager
def channel(root=Path("/"), **options):
    """Open a channel with all that an agent needs in it; afterwards it is gone."""
    opened = open_channel(root, os.geteuid(), os.getegid())
    try:
        equip(opened, {"pause_budget_ms": 10.0, "deadline_s": 60.0, **options})
        yield opened
    finally:
        opened.close()


def starter(opened):
    """Return an expression that starts the agent of a channel in the process that evaluates it."""
    return f"exec({payload(opened.inside).decode()!r})"


def finding(
    kind, attribute="", qualname="", path="target.py", module="target", line=1, types=(), rule="LA101"
):
    """Return a finding with a probe, as the static half would make it."""
    symbol = ".".join(filter(None, (module, qualname, attribute)))
    return Finding(
        rule=rule,
        name="unbounded-mapping",
        location=Location(str(path), line),
        symbol=symbol,
        message=f"{symbol} grows without bound",
        severity=Severity.WARNING,
        confidence=Confidence.LOW,
        probe=Probe(ProbeKind(kind), module, str(path), qualname, attribute, tuple(types)),
    )


def as_line(number, item):
    """Return a finding's probe as the agent reads it."""
    probe = item.probe
    return {
        "id": number,
        "kind": probe.kind.value,
        "module": probe.module,
        "path": probe.path,
        "qualname": probe.qualname,
        "attribute": probe.attribute,
        "types": probe.object_types,
    }


def judged(look, options):
    """Return the report of a look with these options; of a longer one while anything in it is inconclusive."""
    report = look(options)
    for factor in (4, 12):  # a machine at work leaves samples out
        if all(item.verdict.status is not Status.INCONCLUSIVE for item in report.findings):
            break
        if options.session is not None:
            options.session.unlink()
        report = look(replace(options, duration_s=factor * options.duration_s))
    return report


def hear(opened, *kinds, patience_s=PATIENCE_S):
    """Wait for a record of one of these kinds (or of a failure) and return it; earlier ones are dropped."""

    def last():
        return next((r for r in opened.read() if r["record"] in (*kinds, "failed")), None)

    return wait_until(last, patience_s)
