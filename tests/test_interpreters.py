"""There is an interpreter of every version whose heap or attach protocol is read by a layout of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from attach_targets import interpreters


@pytest.mark.parametrize("version", ["3.13", "3.14", "3.15"])
def test_it_is_among_those_that_the_tests_attach_to(version: str, missing: Callable[[str], NoReturn]) -> None:
    if version not in map(str, interpreters()):
        missing(f"CPython {version}; tools/interpreters makes one")
