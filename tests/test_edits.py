"""Edits are the difference of two texts in bytes of the file, and touch nothing else."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakaudit.scan.edits import apply, between, overlap
from leakaudit.source import SourceFile, decode

TEXT = st.text(st.sampled_from("ab\n\r é\x0c\u2028"), max_size=30)


def source(data: bytes) -> SourceFile:
    return SourceFile("a.py", data, decode(data))


@given(TEXT, TEXT)
def test_they_make_the_one_of_the_other(before: str, after: str) -> None:
    file = source(before.encode())
    assert apply(file, between(file, after)) == after.encode()


def test_they_are_small() -> None:
    file = source(b"x = []\ny = 1\nz = []\n")
    assert between(file, "x = None\ny = 1\nz = [1]\n") == ((4, 6, "None"), (18, 18, "1"))
    assert between(file, file.text) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (codecs.BOM_UTF8 + "é = 1\nx = 2\n".encode(), codecs.BOM_UTF8 + "é = 1\nx = é\n".encode()),
        (b"# coding: latin-1\n\xe9 = 1\nx = 2\n", b"# coding: latin-1\n\xe9 = 1\nx = \xe9\n"),
        ("é = 1\r\nx = 2\r\n".encode(), "é = 1\r\nx = é\r\n".encode()),
    ],
    ids=["byte order mark", "latin-1", "crlf"],
)
def test_encoding_and_line_ends_stay(before: bytes, after: bytes) -> None:
    file = source(before)
    (edit,) = between(file, file.text.replace("x = 2", "x = é"))
    assert edit == (before.index(b"2"), before.index(b"2") + 1, "é")
    assert apply(file, [edit]) == after


def test_edits_that_touch_overlap() -> None:
    assert overlap([(3, 5, "")], [(5, 7, "")])
    assert overlap([(3, 3, "a")], [(3, 3, "b")])
    assert overlap([(0, 1, ""), (8, 9, "")], [(4, 8, "")])
    assert not overlap([(3, 3, "a"), (9, 9, "c")], [(3, 3, "a"), (7, 7, "b")])
    assert not overlap([(0, 1, ""), (9, 9, "")], [(2, 8, "")])
