"""Programs of the zoo, audited as a user would: the leak is named first, and no steady program is accused."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WATCH_S = 10.0
LEAKING = ("ledger", "line_monitor", "search_index", "upload_spool")
STEADY = ("background_jobs", "page_cache")


def bench():
    """Return bench/zoo.py as a module."""
    spec = importlib.util.spec_from_file_location("zoo", ROOT / "bench/zoo.py")
    module = sys.modules["zoo"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


zoo = bench()


@pytest.fixture(scope="module")
def outcomes():
    chosen = zoo.programs(zoo.TARGETS, (*LEAKING, *STEADY))
    with ThreadPoolExecutor(len(chosen)) as pool:
        found = pool.map(lambda program: zoo.audit(program, WATCH_S), chosen)
        return {outcome.program.path.stem: outcome for outcome in found}


@pytest.mark.parametrize("name", LEAKING)
def test_a_leak_is_named_first(outcomes, name):
    found = outcomes[name]
    assert (found.error, found.rank, found.status) == ("", 1, "confirmed"), found


@pytest.mark.parametrize("name", STEADY)
def test_a_steady_program_is_not_accused(outcomes, name):
    found = outcomes[name]
    assert (found.error, found.confirmed) == ("", ()), found


def test_every_leaking_program_says_what_is_expected():
    programs = zoo.programs(zoo.TARGETS)
    assert sum(bool(program.expected) for program in programs) >= 30
    assert sum(not program.expected for program in programs) >= 30
