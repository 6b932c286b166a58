"""Which child processes does nobody wait for?"""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.children import orphans
from leakaudit.facts.project import Project


def names(body: str, more: str = "") -> list[str]:
    text = f"import subprocess, asyncio\nclass A:\n    async def handle_message(self, other):\n        {body}\n{more}"
    return [orphan.name for orphan in orphans(Project({"a.py": extract(text)}))]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("subprocess.Popen(['ls'])", [""]),
        ("await asyncio.create_subprocess_exec('ls')", [""]),
        ("x = subprocess.Popen(['ls'])", ["x"]),
        ("self.child = subprocess.Popen(['ls'])", ["child"]),
        ("x = subprocess.Popen(['ls'])\n        x.wait()", []),
        ("x = subprocess.Popen(['ls'])\n        x.poll()", []),
        ("x = subprocess.Popen(['ls'])\n        other.watch(x)", []),
        ("with subprocess.Popen(['ls']) as x:\n            pass", []),
        ("return subprocess.Popen(['ls'])", []),
        ("subprocess.run(['ls'])", []),
    ],
)
def test_a_handle_that_is_dropped_or_forgotten_is_told(body: str, told: list[str]) -> None:
    assert names(body) == told


def test_a_kept_handle_that_something_waits_for_is_silence() -> None:
    assert (
        names("self.child = subprocess.Popen(['ls'])", "    def stop(self):\n        self.child.wait()\n")
        == []
    )
