"""`leakaudit.reclaim`: memory that was freed goes back to the operating system, and the figures say so."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from leakaudit import reclaim

MIB = 1 << 20

#: Frees all but every hundredth of many small blocks: what is left pins the top of the heap, so free() alone returns
#: nothing; and ties 32 MiB into a cycle that only the collector can undo.
FRAGMENTED = """
import gc, json, sys
from leakaudit import reclaim
gc.disable()
blocks = [bytearray(4096) for _ in range(40_000)]
blocks = blocks[::100]
after_free = reclaim.resident()
class Owner: pass
owner = Owner(); owner.me = owner; owner.data = bytearray(b"x") * (32 << 20)
del owner
held = reclaim.resident()
got = reclaim.cleanup_memory()
print(json.dumps({"after_free": after_free, "held": held, "now": reclaim.resident(), "gc": got.gc,
                  "trim": got.malloc_trim, "total": got.total, "rss": got.rss, "objects": got.objects}))
"""


def _run(code: str, **environment: str) -> str:
    import os

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap is what is measured")
def test_a_program_gets_freed_memory_back() -> None:
    # Requests of 4 KiB go to malloc's heap, whichever way Python was built.
    seen = json.loads(_run(FRAGMENTED, PYTHONMALLOC="malloc"))
    assert seen["gc"] > 28 * MIB
    assert seen["objects"] >= 1
    assert seen["trim"] > 50 * MIB
    assert seen["held"] - seen["now"] == pytest.approx(seen["total"], abs=4 * MIB)
    assert seen["rss"] == pytest.approx(seen["now"], abs=4 * MIB)


def test_nothing_to_give_back_is_little() -> None:
    reclaim.cleanup_memory()
    again = reclaim.cleanup_memory()
    assert again.total < 8 * MIB
    assert again.objects == 0
    assert again.seconds > 0


def test_importing_it_loads_no_heavy_library() -> None:
    heavy = "'click', 'libcst', 'psutil', 'rich', 'ctypes', 'asyncio', 'leakaudit.scan', 'leakaudit.process'"
    assert _run(f"import leakaudit.reclaim, sys; print([m for m in ({heavy}) if m in sys.modules])") == "[]\n"


def test_threads_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = 0, 0
    guard = threading.Lock()
    entered = threading.Event()

    def collect() -> int:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        entered.wait(0.05)  # room for another thread to come in, if nothing keeps it out
        with guard:
            inside -= 1
        return 7

    monkeypatch.setattr(reclaim.gc, "collect", collect)
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(reclaim.cleanup_memory) for _ in range(4)]
    assert [result.result().objects for result in results] == [7] * 4
    assert most == 1


def test_the_async_form_leaves_the_loop_free(monkeypatch: pytest.MonkeyPatch) -> None:
    loop_ran = threading.Event()

    def collect() -> int:
        return int(loop_ran.wait(10))

    async def work() -> reclaim.Reclaimed:
        cleaning = asyncio.create_task(reclaim.cleanup_memory_async())
        await asyncio.sleep(0)
        loop_ran.set()
        return await cleaning

    monkeypatch.setattr(reclaim.gc, "collect", collect)
    assert asyncio.run(work()).objects == 1


class Cuda:
    """What of torch.cuda is used."""

    def __init__(self, *, initialized: bool) -> None:
        self.initialized = initialized
        self.reserved = [300, 500]

    def is_initialized(self) -> bool:
        return self.initialized

    def device_count(self) -> int:
        return len(self.reserved)

    def memory_reserved(self, device: int) -> int:
        return self.reserved[device]

    def empty_cache(self) -> None:
        self.reserved = [100, 0]


@pytest.mark.parametrize(("initialized", "given_back"), [(True, 700), (False, None)])
def test_torch_is_asked_only_where_it_uses_cuda(
    monkeypatch: pytest.MonkeyPatch, initialized: bool, given_back: int | None
) -> None:
    torch: Any = types.ModuleType("torch")
    torch.cuda = Cuda(initialized=initialized)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert reclaim.cleanup_memory().cuda_cache == given_back


def test_torch_is_not_imported() -> None:
    assert reclaim.cleanup_memory().cuda_cache is None
    assert "torch" not in sys.modules


def test_without_malloc_trim_the_step_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    monkeypatch.setattr(ctypes, "CDLL", lambda name: types.SimpleNamespace())
    reclaim._foreign_trim.cache_clear()
    try:
        assert reclaim.cleanup_memory().malloc_trim is None
    finally:
        reclaim._foreign_trim.cache_clear()
