"""Tell tests, fixtures and generated files from the code that runs in production."""

from __future__ import annotations

import re

_TEST_FOLDERS = frozenset({"test", "tests", "testing", "unittests", "integration_tests", "e2e"})
_FIXTURE_FOLDERS = frozenset({"fixtures", "testdata", "test_data", "test-data", "__snapshots__"})
_GENERATED_NAME = re.compile(r"(_pb2|_pb2_grpc|_grpc|\.generated|_generated)\.py$")
_GENERATED_MARK = re.compile(
    r"@generated\b|\b(?:auto-?)?generated (?:by|from|using|automatically)\b|\bis an? (?:auto-?)?generated file\b|\bdo not (?:edit|modify)\b",
    re.IGNORECASE,
)
#: What the mark cannot do without, looked for first: most files hold neither.
_GENERATED_WORDS = ("generated", "do not")
#: A generator signs in the first lines; further down the words are ordinary prose.
_HEAD_LINES = 12


def is_test_path(path: str) -> bool:
    """Tell whether a `/`-separated path is a test module or lies in a folder of tests."""
    *folders, name = path.split("/")
    if name.startswith("test_") or name.endswith(("_test.py", "_tests.py")):
        return True
    return name in {"conftest.py", "tests.py", "test.py"} or not _TEST_FOLDERS.isdisjoint(folders)


def is_fixture_path(path: str) -> bool:
    """Tell whether a `/`-separated path lies in a folder of test data."""
    return not _FIXTURE_FOLDERS.isdisjoint(path.split("/")[:-1])


def is_generated(path: str, text: str) -> bool:
    """Tell whether a file's name or its first comment lines say that a program wrote it."""
    if _GENERATED_NAME.search(path):
        return True
    head = text[:2000]
    lowered = head.lower()
    if not any(word in lowered for word in _GENERATED_WORDS):
        return False
    lines = head.split("\n", _HEAD_LINES)[:_HEAD_LINES]
    return any(_GENERATED_MARK.search(line) for line in _opening_comment(lines))


def _opening_comment(lines: list[str]) -> list[str]:
    """Return the lines before the first statement: comments, blank lines and the module docstring's start."""
    opening = []
    quote = ""
    for line in lines:
        bare = line.strip()
        if quote:
            opening.append(bare)
            if quote in bare:
                quote = ""
        elif not bare or bare.startswith("#"):
            opening.append(bare)
        elif bare.startswith(('"""', "'''")):
            opening.append(bare)
            quote = "" if bare.count(bare[:3]) > 1 else bare[:3]
        else:
            break
    return opening
