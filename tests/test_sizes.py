"""Sizes of the census against what the allocators really hand out, on several Pythons."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from runtime_target import interpreters

BENCH = Path(__file__).resolve().parent.parent / "bench" / "sizes.py"


@pytest.mark.parametrize("version", [v for v in interpreters() if v in ("3.9", "3.11", "3.12", "3.13")])
def test_sizes_are_what_the_allocators_handed_out(version):
    spec = importlib.util.spec_from_file_location("sizes", BENCH)
    sizes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sizes)
    for kind, (ours, _, _) in sizes.measure(interpreters()[version]).items():
        assert 0.85 < ours < 1.15, kind
