"""The printer of expressions agrees with ast.unparse, word for word."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from leakaudit.facts.reading.printing import source_text

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="3.10's unparse writes `lambda :` and more parentheses"
)

EXPRESSIONS = """
a.b.c | 1 .real | 1.5.real | f(x, *y, key=1, **z) | f((yield), (yield x)) | a[0] | a[1:2, ::3] | a[:] | a[x,] | a[()]
(a, b) | (a,) | () | [a, *b] | {a, b} | {} | {a: 1, **b} | -x | not x | -(-x) | not (not x) | +x ** -y | (-x) ** y
a + b * c | (a + b) * c | a - (b - c) | (a ** b) ** c | a ** b ** c | a @ b // c % d | a << b >> c | a & b | c ^ d
a and b or c | a and (b or c) | a and b and (not c) | not a and b | a or not b | (a or b) and c
a < b <= c | a is not b | a not in b | (a < b) < c | not a in b | (a == b) == c
a if b else c | (a if b else c) if d else e | a if b else c if d else e | [a if b else c for a in b]
lambda: x | lambda x, y=1: x + y | lambda *a, k=1, **kw: a | (lambda: 1)() | [lambda: 1, 2]
[x for x in y if x if not x] | {x for x in y} | {k: v for k, v in y} | list((x for x in y)) | f(x for x in y)
(x := 1) | f(x := 1) | 'text' | b'bytes' | u'old' | 1e400 | 1j | ... | None | True | 'a' 'b' | 1_000
""".replace("\n", "|").split("|")


@pytest.mark.parametrize("text", [e.strip() for e in EXPRESSIONS if e.strip()])
def test_prints_as_unparse_does(text: str) -> None:
    node = ast.parse(text, mode="eval").body
    assert source_text(node) == ast.unparse(node)


@pytest.mark.parametrize("name", ["ast.py", "asyncio/base_events.py", "statistics.py", "typing.py"])
def test_prints_real_code_as_unparse_does(name: str) -> None:
    text = (Path(ast.__file__).parent / name).read_text(encoding="utf-8")
    checked = 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.expr):
            assert source_text(node)[:128] == ast.unparse(node)[:128]
            checked += 1
    assert checked > 1000


def test_long_literals_are_printed_as_far_as_anyone_reads() -> None:
    node = ast.parse(f"[{'1, ' * 100_000}]", mode="eval").body
    assert 128 <= len(source_text(node)) < 1000
    assert ast.unparse(node).startswith(source_text(node)[:128])
