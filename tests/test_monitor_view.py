"""What the monitor shows and says at the end, from figures by hand."""

from __future__ import annotations

from leakaudit.cli.monitor_view import SHOWN, cells, cgroup_lines, change, overruns, plain, summary
from leakaudit.process.allocator import ANONYMOUS, THREAD_ARENAS, Account
from leakaudit.process.budget import Budget, Overrun
from leakaudit.process.forecast import Forecast
from leakaudit.process.monitor import Moment, Row, Sum
from leakaudit.process.rate import Rate
from leakaudit.process.sample import CgroupMemory, Descriptors, Details, OpenLog, Sample, SendQueues, Stat
from leakaudit.process.selection import Member
from leakaudit.process.summary import Outcome
from leakaudit.process.trend import Shape, Trend

MIB = 2**20
WIDE = 400


def trend(shape: Shape, per_s: float = 0.0, needs_s: float | None = None) -> Trend:
    return Trend(shape, Rate(per_s, per_s * 0.9, per_s * 1.1), "because", 100, 100.0, needs_s)


def outcome(
    shape: Shape, what: str = "RSS", unit: str = "bytes", pid: int | None = 7, per_s: float = MIB, **more
) -> Outcome:
    values = {"first": 10.0 * MIB, "last": 20.0 * MIB, "largest": 20.0 * MIB} | more
    return Outcome(
        "server", what, unit, trend=trend(shape, per_s, values.pop("needs_s", None)), pid=pid, **values
    )


def said(*found: Outcome, accounts=None, width: int = WIDE) -> list[str]:
    return list(summary(found, accounts or {}, width, color=False))


def test_what_grows_comes_first_with_rate_forecast_and_advice():
    coming = Forecast(limit=100 * MIB, expected_s=80.0, soonest_s=70.0, latest_s=90.0)
    lines = said(
        outcome(Shape.STABLE, pid=8),
        outcome(Shape.STEADY_GROWTH, forecast=coming, limit="budget server"),
    )
    assert lines[0] == "server 7: RSS 10.0 MiB -> 20.0 MiB  steady growth"
    assert lines[1].strip() == (
        "1.00 MiB/s (922 KiB/s to 1.10 MiB/s): because; reaches budget server (100 MiB) in 80 s (70 s to 90 s)"
    )
    assert lines[2].startswith("server 8: RSS")
    assert lines[-1] == "next: `leakaudit runtime 7` finds which container of process 7 grows"


def test_a_forecast_may_be_open_ended_or_past():
    late = Forecast(limit=100 * MIB, expected_s=80.0, soonest_s=70.0, latest_s=None)
    assert "(70 s or later)" in said(outcome(Shape.STEADY_GROWTH, forecast=late, limit="x"))[1]
    past = Forecast(limit=1 * MIB, expected_s=0.0, soonest_s=0.0, latest_s=0.0)
    assert said(outcome(Shape.STEADY_GROWTH, forecast=past, limit="budget x"))[1].endswith(
        "; over budget x (1.00 MiB)"
    )


def test_each_figure_that_grows_names_its_rules():
    lines = said(
        outcome(Shape.STEADY_GROWTH, "threads", "count", per_s=0.5, first=3, last=60, largest=60),
        outcome(Shape.STEADY_GROWTH, "open logs"),
        outcome(Shape.STEADY_GROWTH, "send queues", ended=True),
    )
    assert "server 7: threads 3 -> 60  steady growth" in lines
    text = "\n".join(lines)
    assert "threads grow: `leakaudit scan` looks for the cause, LA505 and LA501" in text
    assert "open logs grow: `leakaudit scan` looks for the cause, LA305" in text
    assert "send queues grow: `leakaudit scan` looks for the cause, LA504" in text
    assert "leakaudit runtime" not in text


def test_arenas_are_called_out():
    spread = Account(((THREAD_ARENAS, 900 * MIB), (ANONYMOUS, 100 * MIB)), 1000 * MIB, 0, 0, 28, 20, "glibc")
    calm = Account(((ANONYMOUS, 100 * MIB),), 100 * MIB, 0, 0, 1, 2, "glibc")
    lines = said(outcome(Shape.PLATEAU), accounts={7: spread, 8: calm})
    assert lines[-1] == (
        "process 7: 28 thread arenas of the C library hold 900 MiB of 0.98 GiB; much of it may be free: compare a run "
        "with MALLOC_ARENA_MAX=2"
    )
    assert not any("process 8" in line for line in lines)


def test_inconclusive_says_how_much_longer():
    assert said(outcome(Shape.INCONCLUSIVE, needs_s=45.0))[1].strip() == "because; watch about 45 s more"


def test_what_never_moved_is_left_out():
    still = {"first": 3.0, "last": 3.0, "largest": 3.0}
    assert said(outcome(Shape.STABLE, "threads", "count", **still)) == []
    assert said(outcome(Shape.STABLE), outcome(Shape.STABLE, pid=None)) == said(outcome(Shape.STABLE))


def test_many_series_are_counted_not_shown():
    lines = said(*(outcome(Shape.STABLE, pid=i) for i in range(SHOWN + 5)))
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "... and 5 more series that did not grow"


def test_budgets():
    over = Overrun(Budget("server", 10 * MIB), "server", 0.0, 12.0 * MIB)
    total = Overrun(Budget("total", 10 * MIB, together=True), "", 0.0, 12.0 * MIB)
    lines = list(overruns((over, total), (Budget("node", 1.0),), WIDE, color=False))
    assert lines[0].startswith("over budget server: server held 12.0 MiB, 10.0 MiB allowed, since ")
    assert lines[1].startswith("over budget total: all together held 12.0 MiB")
    assert lines[2] == "budget node: no process of that name was seen"


def row(details: Details, name: str = "agg_0", zombies: int = 0) -> Row:
    member = Member(7, 1.0, name, "agg_", frozenset(), ())
    sample = Sample(0.0, Stat(7, 1, "python", "S", 1.0, 0.0, 3, 50 * MIB), 2, zombies, details)
    return Row(member, sample, -2 * MIB, 0.25)


def moment(*rows: Row, cgroups: tuple[CgroupMemory, ...] = (), gone: tuple[Member, ...] = ()) -> Moment:
    together = Sum("total", len(rows), 50 * MIB * len(rows), 0, None, 3 * len(rows))
    return Moment(0.0, rows, (together,), together, (), gone, cgroups)


FULL = Details(
    0.0,
    descriptors=Descriptors(sockets=3, files=1, other=2),
    send_queues=SendQueues(bytes=3 * MIB, full=2),
    logs=(OpenLog("/a.log", 3 * MIB), OpenLog("/b.log", 1 * MIB)),
)


def test_one_process():
    assert cells(row(FULL, zombies=1)) == (
        *("agg_0", "7", "50.0 MiB", "-2.00 MiB", "3", "6 (3s 1f 2o)", "3.00 MiB (2 full)", "2 (1 zombie)"),
        *("2: 4.00 MiB", "25 %"),
    )
    assert cells(row(Details(0.0)))[5:9] == ("-", "-", "2", "-")


def test_a_process_cannot_drive_the_terminal():
    assert "\x1b" not in "".join(plain(moment(row(FULL, name="a\x1b[2Jb"))))


def test_lines():
    lines = list(plain(moment(row(FULL), row(FULL), gone=(Member(9, 1.0, "old", "old", frozenset(), ()),))))
    assert lines[0].endswith(" old 9 has gone")
    assert "rss 50.0 MiB (-2.00 MiB), threads 3, descriptors 6 (3s 1f 2o)" in lines[1]
    assert lines[-1].endswith(" total, 2 processes: rss 100 MiB, threads 6")
    assert len(list(plain(moment(row(FULL))))) == 1


def test_only_cgroups_with_a_limit_are_shown():
    groups = (CgroupMemory("/", 1, 1, None), CgroupMemory("/pod", 60 * MIB, 50 * MIB, 100 * MIB))
    assert list(cgroup_lines(moment(row(FULL), cgroups=groups))) == [
        "cgroup /pod: working set 50.0 MiB of 100 MiB (50 %), usage 60.0 MiB"
    ]


def test_changes_have_a_sign():
    assert (change(0), change(MIB), change(-MIB)) == ("", "+1.00 MiB", "-1.00 MiB")
