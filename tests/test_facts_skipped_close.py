"""Closes that are skipped: by a shutdown that raises, by a base that raises, by a cancellation."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.skipped_close import unclosed
from leakaudit.facts.project import Project


def names(text: str) -> list[str]:
    return [u.name for u in unclosed(Project({"a.py": extract(text)}))]


CLOSE = "class A:\n    def close(self):\n{}"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("        self.sock.shutdown(2)\n        self.sock.close()\n", ["sock"]),
        (
            "        try:\n            self.sock.shutdown(2)\n        finally:\n            self.sock.close()\n",
            [],
        ),
        (
            "        try:\n            self.sock.shutdown(2)\n        except OSError:\n            pass\n        self.sock.close()\n",
            [],
        ),
        (
            "        with suppress(OSError):\n            self.sock.shutdown(2)\n        self.sock.close()\n",
            [],
        ),
        ("        self.pool.shutdown()\n        self.pool.close()\n", []),
        ("        self.sock.shutdown(2)\n        self.other.close()\n", []),
    ],
)
def test_a_shutdown_that_raises_skips_the_close(body: str, told: list[str]) -> None:
    assert names(CLOSE.format(body)) == told


SCOPE = """
import threading

class Base:
    def __exit__(self, *details):
        {base}

class Scope(Base):
    def __enter__(self):
        self.thread = threading.Thread(target=print)

    def __exit__(self, *details):
        super().__exit__(*details)
        self.thread.join()
"""


def test_a_base_that_does_something_may_raise() -> None:
    assert names(SCOPE.format(base="self.finish()")) == ["thread"]
    assert names(SCOPE.format(base="pass")) == []


HANDSHAKE = """
async def handshake(protocol):
    try:
        {work}
    {handler}:
        {cleanup}
        {end}
"""


@pytest.mark.parametrize(
    ("work", "handler", "cleanup", "end", "told"),
    [
        ("await protocol.hello()", "except Exception", "protocol.abort()", "raise", ["protocol"]),
        ("await protocol.hello()", "except BaseException", "protocol.abort()", "raise", []),
        (
            "await protocol.hello()",
            "except (Exception, asyncio.CancelledError)",
            "protocol.abort()",
            "raise",
            [],
        ),
        ("await protocol.hello()", "except Exception", "protocol.count()", "raise", []),
        ("await protocol.hello()", "except Exception", "protocol.close_callback()", "raise", []),
        ("await protocol.hello()", "except Exception", "protocol.abort()", "return", []),
        ("protocol.hello()", "except Exception", "protocol.abort()", "raise", []),
    ],
)
def test_a_cancellation_passes_by_except_exception(
    work: str, handler: str, cleanup: str, end: str, told: list[str]
) -> None:
    assert names(HANDSHAKE.format(work=work, handler=handler, cleanup=cleanup, end=end)) == told


def test_gather_cancels_what_it_gathers() -> None:
    text = HANDSHAKE.replace("{work}", "await asyncio.{work}").replace("{cleanup}", "protocol.cancel()")
    told = [
        names(text.format(work=work, handler="except Exception", end="raise"))
        for work in ("gather(protocol)", "sleep(1)")
    ]
    assert told == [[], ["protocol"]]
