"""What a file raises that exists already: variables, attributes and elements instead of new exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leakaudit.facts.model import Raise
from leakaudit.facts.reading.expressions import short_text
from leakaudit.facts.reading.frame import Frame, RawRaise, owner_of, scope_of

if TYPE_CHECKING:
    from leakaudit.facts.reading.origins import Origins


def raises(frames: Sequence[Frame], imports: dict[str, str], origins: Origins) -> Iterator[Raise]:
    """Yield the raised names; classes and what a handler has just caught are no news."""
    for frame in frames:
        for raw in frame.raises:
            owner = owner_of(frame, raw.path, imports, hops=0)
            scope = scope_of(frame, raw.path)
            known = scope is not None and raw.path in (scope.caught | scope.classes)
            if owner and not known:
                yield _resolved(raw, owner, frame, scope, origins)


def _resolved(raw: RawRaise, owner: str, frame: Frame, scope: Frame | None, origins: Origins) -> Raise:
    bound = scope.definitions.get(raw.path, []) if scope is not None and scope.kind == "module" else []
    made = tuple(tag for value in bound[:2] for tag in origins.of(value, scope or frame, 1)[:1])
    return Raise(
        owner=owner,
        origins=(
            *_released(frame, raw.path.partition(".")[0].partition("[")[0]),
            *made,
            *origins.of(raw.node, frame, 2),
        ),
        line=raw.node.lineno,
        column=raw.node.col_offset + 1,
        func=frame.index,
        guards=tuple(map(_text, raw.guards)),
        flags=raw.flags,
        made=bound[0].lineno if bound else 0,  # type: ignore[attr-defined]
    )


def _released(frame: Frame, name: str) -> tuple[str, ...]:
    """`released` for a local that is unbound again, with `del` or by binding it to None at the end."""
    values = frame.definitions.get(name, [])
    last = values[-1] if len(values) > 1 else None
    cleared = isinstance(last, ast.Constant) and last.value is None
    return ("released",) if cleared or name in frame.deleted else ()


def _text(guard: ast.AST) -> str:
    negated = isinstance(guard, ast.UnaryOp) and isinstance(guard.op, ast.Not)
    return f"not {short_text(guard.operand)}" if negated else short_text(guard)  # type: ignore[attr-defined]
