"""Pass 1 over many files: what is read again and what is not, and who reads it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from leakaudit.errors import SourceError
from leakaudit.findings.report import FileError
from leakaudit.scan import extraction, pipeline
from leakaudit.scan.cache import Cache
from leakaudit.scan.extraction import extract_each, extract_for_sender
from leakaudit.scan.pipeline import Workers, collect, errors_of, spread, survey
from leakaudit.scan.versions import facts_version

GOOD = "seen = {}\n\n\ndef add(key):\n    seen[key] = {number}\n"


def write(path: Path, text: str, age_s: float = 60) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age_s,) * 2)
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Forty files, one of which is no Python, and one of which is not there."""
    paths = [
        write(tmp_path / "p" / f"m{number:02}.py", GOOD.replace("{number}", str(number)))
        for number in range(38)
    ]
    return [
        *paths,
        write(tmp_path / "p" / "wrong.py", "x = 1\nprint 'two'\n"),
        str(tmp_path / "p" / "missing.py"),
    ]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make any extraction from now on a failure of the test."""

    def fail(*_: object) -> NoReturn:
        raise AssertionError("extracted again")

    def forbid() -> None:
        monkeypatch.setattr(extraction, "facts_of", fail)

    return forbid


def test_facts_keep_the_order_and_errors_their_reasons(files: list[str]) -> None:
    found = collect(survey(files))
    assert list(found.facts) == files[:-2]
    assert [len(facts.events) for facts in found.facts.values()] == [1] * 38
    wrong, missing = errors_of(found.records)
    assert (Path(wrong.path).name, wrong.line) == ("wrong.py", 2)
    assert "Missing parentheses" in wrong.reason
    assert missing == FileError(files[-1], "No such file or directory")


def test_what_has_not_changed_is_not_read_again(
    files: list[str], cache: Cache, never: Callable[[], None]
) -> None:
    first = collect(survey(files), cache)
    never()
    records = survey(files, first.records)
    assert records[:-1] == first.records[:-1]
    assert not records[-1].reason, "the missing file may have come by now"
    assert collect(records, cache).facts == first.facts


def test_only_what_has_changed_is_extracted(
    files: list[str], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = collect(survey(files[:-1]), cache)
    write(Path(files[3]), "other = []\n")
    extracted: list[str] = []
    real = extraction.facts_of
    monkeypatch.setattr(extraction, "facts_of", lambda text: extracted.append(text) or real(text))
    second = collect(survey(files[:-1], first.records), cache)
    assert extracted == ["other = []\n"]
    assert [path for path in files[:-1] if second.facts.get(path) != first.facts.get(path)] == [files[3]]


def test_a_file_that_was_changed_just_now_gets_no_stamp(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", "x = 1\n", age_s=0)
    (record,) = survey([path])
    assert record.stamp == ""
    write(tmp_path / "a.py", "x = 1\n", age_s=60)
    (record,) = survey([path])
    assert record.stamp


def test_known_content_is_not_extracted_again_wherever_it_lies(
    files: list[str], cache: Cache, tmp_path: Path, never: Callable[[], None]
) -> None:
    first = collect(survey(files), cache)
    moved = write(tmp_path / "elsewhere.py", Path(files[5]).read_text())
    never()
    found = collect(survey([moved], by_content=True), cache)
    assert found.facts[moved] == first.facts[files[5]]


def test_a_touched_file_is_recognised_by_its_content(files: list[str], cache: Cache) -> None:
    first = collect(survey(files[:-1]), cache)
    for path in (files[0], files[-2]):
        os.utime(path, (time.time() - 30,) * 2)
    records = survey(files[:-1], first.records, by_content=True)
    assert [(r.key, r.reason, r.line) for r in records] == [(r.key, r.reason, r.line) for r in first.records]
    assert records != first.records


def test_facts_that_the_cache_has_lost_are_extracted(files: list[str], cache: Cache, tmp_path: Path) -> None:
    first = collect(survey(files), cache)
    cache.close()
    empty = Cache(tmp_path / "another")
    assert collect(survey(files, first.records), empty).facts == first.facts


def test_progress_counts_every_file(files: list[str]) -> None:
    seen: list[tuple[int, int]] = []
    collect(survey(files), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, len(files)) for number in range(1, len(files) + 1)]


@pytest.mark.parametrize("kind", ["fork", "spawn", "threads"])
def test_any_executor_gives_the_same_facts(files: list[str], kind: str) -> None:
    alone = collect(survey(files))
    if kind not in ("threads", *multiprocessing.get_all_start_methods()):
        pytest.skip(f"this system has no {kind}")
    executor: Executor = (
        ThreadPoolExecutor(2)
        if kind == "threads"
        else ProcessPoolExecutor(2, multiprocessing.get_context(kind))
    )
    with executor:
        together = collect(survey(files), workers=Workers(executor=executor))
    assert together.facts == alone.facts
    assert list(together.facts) == list(alone.facts)
    assert errors_of(together.records) == errors_of(alone.records)


def test_processes_of_our_own(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "WORTH_WORKERS", 10)
    assert collect(survey(files), workers=Workers(2)).facts == collect(survey(files)).facts


def test_relative_paths_reach_workers_elsewhere(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sent: list[Sequence[str]] = []
    with ThreadPoolExecutor(1) as executor:
        real = executor.submit
        executor.submit = lambda call, paths, *more: sent.append(paths) or real(call, paths, *more)  # type: ignore[method-assign]
        found = collect(survey(["p/m00.py"]), workers=Workers(executor=executor))
    assert list(found.facts) == ["p/m00.py"]
    assert sent == [(files[0],)]


class Dying(Executor):
    """Its workers die with the second piece of work."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.submitted += 1
        if self.submitted < 2:
            future.set_result(call(*arguments))
        else:
            future.set_exception(BrokenExecutor("killed"))
        return future


def test_workers_that_are_killed_are_replaced_by_this_process(files: list[str]) -> None:
    assert [e.facts for e in spread(files, Dying())] == [e.facts for e in extract_each(files)]


def test_workers_with_another_leakaudit_are_refused(files: list[str]) -> None:
    with pytest.raises(SourceError, match="another leakaudit"):
        extract_for_sender(files, "0123")
    assert len(extract_for_sender(files, facts_version())) == len(files)


def test_a_bug_in_one_file_is_told_and_the_others_go_on(
    files: list[str], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = extraction.facts_of

    def sometimes(text: str) -> Any:
        return 1 / 0 if "= 7" in text else real(text)

    monkeypatch.setattr(extraction, "facts_of", sometimes)
    found = collect(survey(files[:10]), cache)
    assert list(found.facts) == [*files[:7], *files[8:10]]
    (error,) = errors_of(found.records)
    assert error.path == files[7]
    assert "ZeroDivisionError" in error.reason
    assert "test_pipeline.py:" in error.reason
    monkeypatch.undo()
    assert files[7] in collect(survey(files[:10], found.records), cache).facts, "a bug is not remembered"


def test_a_file_that_takes_too_long_is_told_and_the_others_go_on(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = extraction.facts_of

    def endless(text: str) -> Any:
        deadline = time.monotonic() + 60
        while "= 7" in text and time.monotonic() < deadline:
            pass
        return real(text)

    monkeypatch.setattr(extraction, "facts_of", endless)
    started = time.process_time()
    found = list(extract_each(files[:10], seconds=0.2))
    assert time.process_time() - started < 20
    assert [e.facts is None for e in found] == [number == 7 for number in range(10)]
    assert "took longer than 0.2 s" in found[7].reason


def test_many_files_share_what_is_equal(
    files: list[str], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = collect(survey(files)).facts
    monkeypatch.setattr(pipeline, "MANY_FILES", 10)
    for _ in range(2):  # extracted, and from the cache
        together = collect(survey(files, by_content=True), cache).facts
        assert together == apart
        owners = {id(facts.events[0].owner) for facts in together.values()}
        assert len(owners) == 1 < len({id(facts.events[0].owner) for facts in apart.values()})
