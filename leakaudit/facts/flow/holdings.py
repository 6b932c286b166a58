"""Locals that hold something which must be closed, and do not let go of it on every path."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

import msgspec

from leakaudit.facts.flow.effects import Effects
from leakaudit.facts.flow.paths import Exit, Paths
from leakaudit.facts.model import Holding
from leakaudit.facts.reading.expressions import dotted, position
from leakaudit.facts.reading.frame import Frame, RawCall, owner_of
from leakaudit.facts.resources import PROVING, may_make

#: Makers that are followed in one function. Each costs a look at all of it, and no one writes so many by hand.
_MOST = 60
#: Functions that lend what others may use as well.
_LENDS = re.compile(r"(get|pop|current|find|next|getattr|super|cls|cast|partial|ensure|lookup)(_|$)|$")
_NO_MAKERS = frozenset("super cls partial getattr open_binary dict list set tuple str int len".split())


def holdings(
    functions: Iterable[tuple[Frame, ast.AST, tuple[str, ...], str]], imports: dict[str, str]
) -> Iterator[Holding]:
    """Yield the locals of a walked file that leave their function open on some path."""
    functions = [*functions]
    learnt = _learnt(frame for frame, function, *_ in functions if not isinstance(function, ast.Lambda))
    for frame, function, decorators, _ in functions:
        if isinstance(function, ast.Lambda) or not (frame.calls or (learnt and frame.definitions)):
            continue
        seen: set[int] = set()
        lasting = any(name.endswith("contextmanager") for name in decorators)
        for names, maker, flags in _candidates(frame, function, learnt):
            if id(maker) in seen or {*names} & (frame.globals | frame.nonlocals):
                continue
            seen.add(id(maker))
            if len(seen) > _MOST:
                break
            for found in _judge(names, maker, flags, frame, function, imports, lasting):
                line = learnt.get(_last(maker), 0)
                sibling = line if line and _is_whole(function, maker) else 0
                yield msgspec.structs.replace(found, sibling=sibling) if sibling else found


def _learnt(frames: Iterable[Frame]) -> dict[str, int]:
    """Callee -> line of a close: what some function of the file makes by calling it and closes itself."""
    found: dict[str, int] = {}
    for frame in frames:
        for raw in frame.calls:
            if raw.name in PROVING:
                for held in _closed_by(raw.node):
                    values = frame.definitions.get(held, ())
                    if len(values) == 1 and held not in frame.params:
                        call = values[0].value if isinstance(values[0], ast.Await) else values[0]
                        if isinstance(call, ast.Call) and not _LENDS.match(_last(call)):
                            found.setdefault(_last(call), raw.node.lineno)
    return found


def _candidates(
    frame: Frame, function: ast.AST, learnt: dict[str, int]
) -> Iterator[tuple[tuple[str, ...], ast.Call, int]]:
    """Locals bound to what a known or learnt maker makes, and locals that the function itself closes."""
    for raw in frame.calls:
        name = raw.name
        if may_make(name):
            targets = _targets(raw, function)
            if targets:
                yield targets, raw.node, raw.flags
        elif name in PROVING:
            for held in _closed_by(raw.node):
                for value in frame.definitions.get(held, ()):
                    call = value.value if isinstance(value, ast.Await) else value
                    if (
                        isinstance(call, ast.Call)
                        and _last(call) not in _NO_MAKERS
                        and held not in frame.params
                    ):
                        yield (held,), call, _flags(frame, call)
    for name, values in frame.definitions.items() if learnt else ():
        for value in values:
            call = value.value if isinstance(value, ast.Await) else value
            if not isinstance(call, ast.Call) or may_make(_last(call)) or _last(call) not in learnt:
                continue
            entered = frame.withs.keys() & {getattr(getattr(call.func, "value", None), "id", "")}
            if not entered and name not in (*frame.params, "_") and _is_whole(function, call):
                yield (name,), call, _flags(frame, call)


def _is_whole(function: ast.AST, made: ast.Call) -> bool:
    """Whether a local stands for all that is made, and not for one of several that it is taken apart into."""
    return any(
        isinstance(node, ast.Assign)
        and made in (node.value, getattr(node.value, "value", None))
        and all(isinstance(target, ast.Name) for target in node.targets)
        for node in ast.walk(function)
    )


def _flags(frame: Frame, call: ast.Call) -> int:
    return next((other.flags for other in frame.calls if other.node is call), 0)


def _targets(raw: RawCall, function: ast.AST) -> tuple[str, ...]:
    """The local that is bound to what a call makes, and others that stand for the same thing."""
    usage = raw.usage.removeprefix("await:")
    if usage.startswith("name:"):
        return (usage[5:],)
    if usage != "unpack":
        return ()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and raw.node in (node.value, getattr(node.value, "value", None)):
            target = node.targets[0]
            if isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == 2:
                names = tuple(e.id if isinstance(e, ast.Name) else "" for e in target.elts)
                if raw.name == "subplots":
                    return names if all(names) else ()  # the axes keep their figure
                element = names[1 if raw.name in ("open_connection", "open_unix_connection") else 0]
                return (element,) if element else ()
    return ()


def _closed_by(call: ast.Call) -> Iterator[str]:
    func = call.func
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and not call.args:
        yield func.value.id
    if _last(call) in ("release", "putconn") and call.args and isinstance(call.args[0], ast.Name):
        yield call.args[0].id


def _judge(
    names: tuple[str, ...],
    maker: ast.Call,
    flags: int,
    frame: Frame,
    function: ast.AST,
    imports: dict[str, str],
    lasting: bool,
) -> Iterator[Holding]:
    """What certainly stays open, else what does if the calls that are given it only use it, else what may when one raises."""
    own = frozenset(
        path
        for path, value, *_ in frame.containers
        if path.isidentifier()
        and not (path in names and isinstance(value, ast.Call))  # a buffer, in another branch
    )
    raised = None
    for lent in (False, True):
        paths = Paths(Effects({*names}, maker, lent, own))
        paths.run(function.body, function.end_lineno)  # type: ignore[attr-defined]
        worst = _worst(paths, lasting)
        if worst is not None and worst.how != "raise":
            yield _holding(names[0], maker, flags, frame, imports, paths, worst)
            break
        if worst is not None and raised is None:
            raised = _holding(names[0], maker, flags, frame, imports, paths, worst)
        if not paths.passed or paths.closed:
            break
    if raised is not None:
        yield raised


def _worst(paths: Paths, lasting: bool) -> Exit | None:
    """The way out that matters most. What a plain generator yields is somebody else's; `lasting`: not here."""
    if paths.gave_up or (paths.effects.yielded and not (paths.closed or lasting)):
        return None
    order = {"again": 0, "end": 1, "return": 2}
    left = sorted(paths.left, key=lambda e: (order[e.how], e.line))
    if left or not paths.risks:
        return left[0] if left else None
    return next((risk for risk in paths.risks if risk.text.startswith("raise ")), paths.risks[0])


def _holding(
    name: str, maker: ast.Call, flags: int, frame: Frame, imports: dict[str, str], paths: Paths, worst: Exit
) -> Holding:
    text = dotted(maker.func)
    plain = "(" not in text and "[" not in text
    callee = (owner_of(frame, text, imports) or f"b:{text}") if plain else f"?:{text.rpartition('.')[2]}"
    return Holding(
        callee,
        name,
        *position(maker),
        frame.index,
        flags,
        worst.how,
        worst.line,
        worst.text,
        paths.closed,
        paths.given,
        paths.effects.lent,
        tuple(dict.fromkeys(paths.passed))[:6],
        tuple(dict.fromkeys(paths.effects.uses))[:8],
        paths.effects.collected,
        len({risk.line for risk in paths.risks}),
    )


def _last(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
