"""The best open way is chosen, and every closed one says why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from leakaudit.errors import AttachError, UsageError
from leakaudit.runtime.attach import ladder
from leakaudit.runtime.attach.elf import Symbol
from leakaudit.runtime.attach.injector import Injection, Injector
from leakaudit.runtime.attach.pending_call import PendingCall
from leakaudit.runtime.attach.target import Runtime, Target

TARGET = Target(
    pid=17,
    start_time=1,
    exe="/usr/bin/python3",
    argv=("python3",),
    cwd="/",
    version=(3, 11, 7),
    free_threaded=False,
    runtime=Runtime("/usr/bin/python3", 243, {"Py_AddPendingCall": Symbol(4096, 8)}, b""),
    root=Path("/"),
    uid=0,
    gid=0,
    namespace_pid=17,
    threads=1,
)


@dataclass(frozen=True)
class Way:
    name: str
    closed: str | None

    def available(self, target: Target) -> str | None:
        return self.closed

    def inject(self, *_: object) -> Injection:
        raise NotImplementedError


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> tuple[Injector, ...]:
    monkeypatch.setattr(ladder, "UNPROVEN", (Way("daring", None),))
    ways = (Way("first", "too old"), Way("second", None), Way("third", None), Way("fourth", "no gdb"))
    monkeypatch.setattr(ladder, "INJECTORS", ways)
    return ways


def test_first_open_way_is_chosen(ways: tuple[Injector, ...]) -> None:
    assert ladder.choose(TARGET).name == "second"


def test_named_way_is_chosen(ways: tuple[Injector, ...]) -> None:
    assert ladder.choose(TARGET, "third").name == "third"


def test_named_way_that_is_closed(ways: tuple[Injector, ...]) -> None:
    with pytest.raises(AttachError, match="fourth: no gdb"):
        ladder.choose(TARGET, "fourth")


def test_unknown_way(ways: tuple[Injector, ...]) -> None:
    with pytest.raises(UsageError, match="auto, first, second, third, fourth"):
        ladder.choose(TARGET, "fifth")


def test_no_way_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "INJECTORS", (Way("first", "too old"), Way("second", "too new")))
    with pytest.raises(AttachError, match=r"first: too old; second: too new.*leakaudit run"):
        ladder.choose(TARGET)


def test_every_way_is_reported(ways: tuple[Injector, ...]) -> None:
    reports = ladder.rungs(TARGET)
    assert [(report.name, report.available) for report in reports] == [
        ("first", False),
        ("second", True),
        ("third", True),
        ("fourth", False),
        ("daring", False),
    ]
    assert reports[-1].reason == "only when asked for by name"
    assert reports[0].reason == "too old"


def test_names_are_unique() -> None:
    names = [injector.name for injector in (*ladder.INJECTORS, *ladder.UNPROVEN)]
    assert len(set(names)) == len(names)


def test_unproven_way_is_chosen_only_by_name(
    ways: tuple[Injector, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ladder.choose(TARGET, "daring").name == "daring"
    monkeypatch.setattr(ladder, "INJECTORS", (Way("first", "too old"),))
    with pytest.raises(AttachError):
        ladder.choose(TARGET)


def test_unproven_register_files_are_reached_only_by_name() -> None:
    arm = replace(TARGET, runtime=replace(TARGET.runtime, elf_machine=183))
    assert PendingCall().available(arm) == "not for this processor"
    assert "does not export" in str(ladder.UNPROVEN[0].available(arm))


def test_unknown_processor_closes_the_pending_call() -> None:
    assert "processor" in str(PendingCall().available(TARGET))


def test_missing_function_closes_the_pending_call() -> None:
    runtime = Runtime("/usr/bin/python3", 62, {"Py_AddPendingCall": Symbol(4096, 8)}, b"")
    reason = PendingCall().available(replace(TARGET, runtime=runtime))
    assert "does not export" in str(reason)
    assert "PyRun_SimpleString" in str(reason)
