"""What is taken out of a table, or replaced, while it is open."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.let_go import unclosed
from leakaudit.facts.project import Project

TABLE = """
class Nodes:
    def ask(self, node):
        try:
            return self.table[node].send()
        except TimeoutError:
            {handler}
    def close(self):
        for one in self.table.values():
            {end}
"""
HANDLE = """
class Wall:
    def {name}(self, rules):
        {store}
    def stop(self):
        destroy(self.handle)
"""


def told(text: str) -> list[str]:
    return [found.name for found in unclosed(Project({"m.py": extract(text)}))]


@pytest.mark.parametrize(
    ("handler", "end", "found"),
    [
        ("del self.table[node]", "one.close()", ["table"]),
        ("del self.table[node]", "one.count += 1", []),
        ("self.table.get(node).close(); del self.table[node]", "one.close()", []),
        ("raise", "one.close()", []),
    ],
)
def test_what_is_taken_out_in_a_handler(handler: str, end: str, found: list[str]) -> None:
    assert told(TABLE.format(handler=handler, end=end)) == found


@pytest.mark.parametrize(
    ("name", "store", "found"),
    [
        ("update", "self.handle = renewed(self.handle, rules)", ["handle"]),
        ("update", "self.handle = renewed(rules)", []),
        ("wrap", "self.handle = renewed(self.handle, rules)", []),
        ("update", "old = self.handle; self.handle = renewed(self.handle, rules); destroy(old)", []),
    ],
)
def test_what_is_replaced_by_what_was_made_of_it(name: str, store: str, found: list[str]) -> None:
    assert told(HANDLE.format(name=name, store=store)) == found
