"""Dask workers as an executor: they read the files, which have to lie under the same paths there, and send facts back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.errors import UsageError

if TYPE_CHECKING:
    from concurrent.futures import Executor

#: Seconds that a scheduler may take to answer.
_PATIENCE_S = 10


@contextlib.contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor | None]:
    """Yield an executor over the workers of a scheduler (host:port, or a scheduler file); None for ""."""
    if not scheduler:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--dask needs Dask, which is not installed", "pip install 'leakaudit[dask]'"
        ) from error
    where = {"scheduler_file": scheduler} if scheduler.endswith(".json") else {"address": scheduler}
    try:
        client = Client(**where, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {scheduler} ({error})", "start one with `dask scheduler`"
        ) from error
    with client:
        yield client.get_executor(pure=False, retries=0)
