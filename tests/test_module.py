"""A rule's view of a file: places as the facts count them, nodes found by place."""

from __future__ import annotations

import ast

import libcst as cst
import pytest

from leakaudit.errors import SourceError
from leakaudit.findings import Location
from leakaudit.scan.module import Module
from leakaudit.source import SourceFile

TEXT = "x = 1\r\n\x0c\né = 'é'; y = f(é)\ns = '\u2028'; z = g()\n"


def module(text: str) -> Module:
    return Module("a.py", SourceFile("a.py", text.encode(), text))


def test_places_are_those_of_ast() -> None:
    calls = [node for node in ast.walk(ast.parse(TEXT)) if isinstance(node, ast.Call)]
    assert len(calls) == 2
    for call in calls:
        place = Location(
            "a.py", call.lineno, call.col_offset + 1, call.end_lineno, (call.end_col_offset or 0) + 1
        )
        node = module(TEXT).node_at(place, cst.Call)
        assert node is not None
    file = module(TEXT)
    node = file.node_at(Location("a.py", calls[0].lineno, calls[0].col_offset + 1), cst.Call)
    assert file.location(node).end_column == (calls[0].end_col_offset or 0) + 1
    assert file.tree.code_for_node(node) == "f(é)"


def test_the_outermost_node_of_the_kinds() -> None:
    file = module("f(x)(y)\n")
    place = Location("a.py", 1, 1)
    assert file.tree.code_for_node(file.node_at(place, cst.Call)) == "f(x)(y)"
    assert file.tree.code_for_node(file.node_at(place, cst.Name)) == "f"
    assert file.node_at(place, cst.List) is None
    assert file.node_at(Location("a.py", 9, 1), cst.Call) is None


def test_lines_are_counted_as_a_parser_counts_them() -> None:
    assert module(TEXT).lines == ("x = 1", "\x0c", "é = 'é'; y = f(é)", "s = '\u2028'; z = g()", "")


def test_a_fix_is_what_changed() -> None:
    file = module("x = []\n")
    changed = cst.parse_module("x = [1]\n")
    fix = file.fix("fill it", changed, safe=False)
    assert fix is not None
    assert fix.edits == ((5, 5, "1"),)
    assert file.fix("nothing", file.tree, safe=True) is None


def test_no_fix_where_the_tree_is_not_the_whole_text() -> None:
    file = module("\x0cx = []\n")
    assert file.fix("fill it", cst.parse_module("x = [1]\n"), safe=False) is None


def test_what_libcst_cannot_parse_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="LibCST cannot parse it"):
        module("x = (\n").tree  # noqa: B018
