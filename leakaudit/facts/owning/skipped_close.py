"""Closes that an earlier statement of the same function may skip by raising."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Flag, Function, Skipped
from leakaudit.facts.owning.ownership import Resource, Unclosed, stored_as
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Related

_GUARDED = Flag.TRY | Flag.EXCEPT | Flag.WITH | Flag.FINALLY
_EXITS = ("__exit__", "__aexit__")
_CONTEXT = {"start-up": -2, "import": -8}
_THREADS = ("new:threading.Thread", "new:Thread", "new:multiprocessing.Process", "new:threading.Timer")


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield the resources whose close is skipped when what stands before it raises."""
    risky = {
        (path, call.func, call.callee.removesuffix(".shutdown")): call
        for path, call in project.calls("shutdown")
        if call.func >= 0 and call.args and not call.flags & _GUARDED
    }
    for path, close in project.calls("close"):
        before = risky.get((path, close.func, close.callee.removesuffix(".close")))
        if before is not None and before.line < close.line and not close.flags & Flag.FINALLY:
            yield _after_shutdown(project, path, close, before)
    for path, facts in project.files.items():
        for skipped in facts.skipped:
            yield _by_cancel(project, path, skipped)
        for index, function in enumerate(facts.functions):
            if function.qualname.endswith(_EXITS) and function.cls and f"?:{function.name}" in function.calls:
                yield from _after_super(project, path, index, function)


def _by_cancel(project: Project, path: str, skipped: Skipped) -> Unclosed:
    """`except Exception: close(); raise` does not catch the CancelledError that the await before it raises."""
    function = project.function(path, skipped.func)
    assert function is not None
    place = Location(path, skipped.line, skipped.column)
    holder, _, method = skipped.callee.partition(":")[2].rpartition(".")
    name = (
        "self"
        if skipped.text.startswith("self.") and skipped.text.count(".") == 1
        else holder.rpartition(".")[2] or method
    )
    reason = f"`except Exception` lets CancelledError pass, so a cancelled `{function.name}` never runs `{skipped.text}`"
    context = project.contexts.of_function(path, skipped.func)
    evidence = (
        Evidence("path", "cancel", reason, 3, place),
        Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0)),
    )
    symbol = f"{project.module_name(path)}.{function.qualname}.<locals>.{name}"
    why = f"is not ended when `{function.name}` is cancelled: `{skipped.text}` is skipped"
    related = (
        Related(
            Location(path, function.line, function.column), f"`{function.name}` may be cancelled at any await"
        ),
    )
    return Unclosed(path, place, symbol, name, Resource("resource", 1), why, evidence, related, "cancel")


def _after_shutdown(project: Project, path: str, close: Call, before: Call) -> Unclosed:
    """`sock.shutdown(how)` raises when the peer is gone, and `sock.close()` after it never runs."""
    function = project.function(path, close.func)
    assert function is not None
    name = close.callee.removesuffix(".close").replace(":", ".").rpartition(".")[2]
    reason = f"`{name}.shutdown()` raises when the other side is gone, and skips `close()`"
    evidence = (
        Evidence("path", "raise", reason, 5, Location(path, before.line)),
        Evidence("resource", "socket", f"`{name}` is a socket", 1),
    )
    found = _skipped(project, path, function, name, Resource("socket", 2), close, before.line, evidence)
    return replace(found, symbol=f"{project.module_name(path)}.{function.qualname}", certain=True)


def _after_super(project: Project, path: str, index: int, function: Function) -> Iterator[Unclosed]:
    """`super().__exit__()` raises, and what this class has to end is not ended."""
    if _harmless_base(project, path, function):
        return
    facts = project.files[path]
    for call in facts.calls:
        owner, _, method = call.callee.rpartition(".")
        if call.func != index or method not in ("join", "close", "shutdown") or call.flags & Flag.FINALLY:
            continue
        resource = _held(project, path, owner)
        if resource is not None:
            name = owner.rpartition(".")[2]
            reason = f"`super().{function.name}()` may raise, and skips what `{name}` needs to end"
            evidence = (
                Evidence("path", "raise", reason, 2, Location(path, function.line)),
                Evidence("resource", resource.kind, f"`{name}` holds a {resource.kind}", resource.harm - 1),
            )
            yield _skipped(project, path, function, name, resource, call, function.line, evidence)
            return


def _harmless_base(project: Project, path: str, function: Function) -> bool:
    """Whether the method that `super()` means is known, and calls nothing."""
    for base in project.mro(Place(path, function.cls))[1:]:
        index = project.function_named(base.path, f"{base.name}.{function.name}")
        method = project.function(base.path, index) if index is not None else None
        if method is not None:
            return not method.calls
    return False


def _held(project: Project, path: str, owner: str) -> Resource | None:
    if not owner.startswith("i:"):
        return None
    for stored, origins, _, func in project.files[path].stored:
        if stored == owner:
            if any(tag in origins.split("|") for tag in _THREADS):
                return Resource("thread", 3)
            made = stored_as(project, path, func, origins)
            if made is not None:
                return made[0]
    return None


def _skipped(
    project: Project,
    path: str,
    function: Function,
    name: str,
    resource: Resource,
    close: Call,
    line: int,
    evidence: tuple[Evidence, ...],
) -> Unclosed:
    place = Location(path, close.line, close.column, close.end_line, close.end_column)
    symbol = f"{project.module_name(path)}.{function.cls or function.qualname}.{name}"
    why = "is not ended when a statement before raises"
    return Unclosed(
        path,
        place,
        symbol,
        name,
        resource,
        why,
        evidence,
        (Related(Location(path, line), evidence[0].reason),),
        function.name,
    )
