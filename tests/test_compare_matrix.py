"""What is varied, every combination of it, and the order of the runs."""

from __future__ import annotations

import pytest

from leakaudit.errors import UsageError
from leakaudit.process.compare import presets
from leakaudit.process.compare.matrix import combine, parse_environment, parse_placeholder
from leakaudit.process.compare.plan import interleaved

COMMAND = ("job", "--gc-rounds", "{gc_rounds}", '{"json": {}}')


def settings():
    return combine(
        [parse_placeholder("gc_rounds=0,5", COMMAND), parse_environment("MALLOC_ARENA_MAX=,4")], COMMAND
    )


def test_every_combination_the_first_dimension_slowest() -> None:
    assert [setting.name for setting in settings()] == [
        "gc_rounds=0, no MALLOC_ARENA_MAX",
        "gc_rounds=0, MALLOC_ARENA_MAX=4",
        "gc_rounds=5, no MALLOC_ARENA_MAX",
        "gc_rounds=5, MALLOC_ARENA_MAX=4",
    ]


def test_placeholders_are_filled_in_and_other_braces_left_alone() -> None:
    assert settings()[2].command == ("job", "--gc-rounds", "5", '{"json": {}}')


def test_an_empty_value_unsets_the_variable() -> None:
    assert [setting.environment for setting in settings()][:2] == [
        (("MALLOC_ARENA_MAX", None),),
        (("MALLOC_ARENA_MAX", "4"),),
    ]


def test_nothing_varied_is_one_setting() -> None:
    (only,) = combine([], COMMAND)
    assert (only.name, only.command) == ("as it is", COMMAND)


@pytest.mark.parametrize("text", ["", "=1,2", "A", "1A=2", "A=1,1"])
def test_what_names_no_values_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_environment(text)


def test_a_placeholder_has_to_be_in_the_command() -> None:
    with pytest.raises(UsageError, match=r"\{rounds\}"):
        parse_placeholder("rounds=1,2", COMMAND)


def test_a_name_is_varied_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        combine([parse_environment("A=1"), parse_environment("A=2")], COMMAND)


def test_runs_are_interleaved_and_each_setting_leads_in_turn() -> None:
    jobs = [
        (job.setting.values[0][1] + job.setting.values[1][1], job.repeat)
        for job in interleaved(settings(), 2)
    ]
    assert jobs == [
        ("0", 1), ("04", 1), ("5", 1), ("54", 1),
        ("04", 2), ("5", 2), ("54", 2), ("0", 2),
    ]  # fmt: skip


def test_file_names_are_safe_and_differ() -> None:
    odd = combine([parse_environment("PATH_=/a/b,/a:b,a_b")], COMMAND)
    stems = [job.stem for job in interleaved(odd, 2)]
    assert len(set(stems)) == 6
    assert not any("/" in stem or ":" in stem for stem in stems)


@pytest.mark.parametrize(("library", "with_jemalloc"), [("libjemalloc.so.2", True), (None, False)])
def test_the_allocator_preset_tries_jemalloc_where_it_is(
    monkeypatch: pytest.MonkeyPatch, library: str | None, with_jemalloc: bool
) -> None:
    monkeypatch.setattr(presets, "jemalloc", lambda: library)
    monkeypatch.setenv("LD_PRELOAD", "mine.so")
    found = {choice.value: dict(choice.environment) for choice in presets.allocator().choices}
    assert next(iter(found)) == "default"
    assert found["default"] == {}
    assert found["arenas-2"] == {"MALLOC_ARENA_MAX": "2"}
    assert ("jemalloc" in found) is with_jemalloc
    if with_jemalloc:
        assert found["jemalloc"] == {"LD_PRELOAD": "libjemalloc.so.2 mine.so"}
