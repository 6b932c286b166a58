"""Handlers of coroutines that clean up after every exception but a cancellation."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from leakaudit.facts.answers import words
from leakaudit.facts.model import Skipped
from leakaudit.facts.reading.expressions import dotted, short_text
from leakaudit.facts.reading.frame import Frame, owner_of
from leakaudit.facts.resources import CLOSERS, CLOSING_WORDS

_BROADER = frozenset("BaseException CancelledError".split())
#: Last words of what only tells of an end: `close_callback(error)`.
_TELLING = frozenset("callback callbacks error errors event events".split())
_AWAITS = (ast.Await, ast.AsyncWith, ast.AsyncFor)


def skipped_by_cancel(
    functions: Iterable[tuple[Frame, ast.AST, tuple[str, ...], str]], imports: dict[str, str]
) -> Iterator[Skipped]:
    """Yield the cleanups under `except Exception: ... raise` that a cancelled await passes by."""
    for frame, function, _, _ in functions:
        if isinstance(function, ast.AsyncFunctionDef):
            for node in frame.tries:
                found = _skipped(node, frame, imports)
                if found is not None:
                    yield found


def _skipped(node: ast.Try, frame: Frame, imports: dict[str, str]) -> Skipped | None:
    caught = [_names(handler.type) for handler in node.handlers]
    if any(names is None or names & _BROADER for names in caught) or not _awaits(node.body) or _gathers(node):
        return None
    for handler, names in zip(node.handlers, caught, strict=True):
        last = handler.body[-1]
        if names == {"Exception"} and isinstance(last, ast.Raise) and last.exc is None:
            call = next((c for c in _calls(handler.body) if _ends(c)), None)
            if call is not None:
                text = dotted(call.func)
                plain = text if "(" not in text and "[" not in text else ""
                callee = owner_of(frame, plain, imports) or f"?:{text}"
                return Skipped(handler.lineno, handler.col_offset + 1, frame.index, callee, short_text(call))
    return None


def _gathers(node: ast.Try) -> bool:
    """Whether all that is awaited is `gather`, which cancels what it gathers, and all that is skipped is to cancel."""
    awaited = [p.value for s in node.body for p in ast.walk(s) if isinstance(p, ast.Await)]
    ends = [call for handler in node.handlers for call in _calls(handler.body) if _ends(call)]
    last = {dotted(a.func).rpartition(".")[2] if isinstance(a, ast.Call) else "" for a in awaited}
    return last == {"gather"} and {dotted(call.func).rpartition(".")[2] for call in ends} == {"cancel"}


def _names(caught: ast.expr | None) -> set[str] | None:
    """The last parts of the names of what a handler catches; None for a bare `except`."""
    if caught is None:
        return None
    parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return {dotted(part).rpartition(".")[2] for part in parts}


def _awaits(body: list[ast.stmt]) -> bool:
    return any(isinstance(part, _AWAITS) for statement in body for part in ast.walk(statement))


def _calls(body: list[ast.stmt]) -> Iterator[ast.Call]:
    return (part for statement in body for part in ast.walk(statement) if isinstance(part, ast.Call))


def _ends(call: ast.Call) -> bool:
    name = dotted(call.func).rpartition(".")[2]
    parts = words(name)
    return name in CLOSERS or (bool(set(parts) & CLOSING_WORDS) and parts[-1] not in _TELLING)
