"""Callables that should run when an object goes, and that hold it: finalizers, exit handlers, callbacks of weak references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Function
from leakaudit.facts.project import Project


@dataclass(frozen=True, slots=True)
class Pinned:
    """An object that a finalizer or exit handler keeps: `how` says by what, `method` is its name; `cls` "" if no instance."""

    path: str
    call: Call
    function: Function
    cls: str
    method: str
    how: str

    @property
    def at_exit(self) -> bool:
        """Whether it is an exit handler rather than a finalizer of the object."""
        return self.call.callee.endswith("register")

    @property
    def holder(self) -> str:
        """What holds the callable."""
        kind = self.call.callee.rpartition(".")[2]
        return {"register": "`atexit`", "ref": "the weak reference", "Thread": "its thread"}.get(
            kind, "the finalizer"
        )


def pinned(project: Project) -> Iterator[Pinned]:
    """Yield the finalizers that hold their own object, and the exit handlers that hold an instance."""
    for path, call in project.calls("finalize", "register"):
        if call.callee not in ("x:weakref.finalize", "x:atexit.register") or call.func < 0 or not call.args:
            continue
        function = project.function(path, call.func)
        assert function is not None
        if call.callee.endswith("finalize"):
            yield from _finalizer(project, path, call, function)
        else:
            yield from _exit_handler(project, path, call, function)
    for path, call in project.calls("ref"):
        if call.callee == "x:weakref.ref" and call.func >= 0:
            function = project.files[path].functions[call.func]
            yield from _finalizer(project, path, call, function)
    yield from _threads(project)


def _threads(project: Project) -> Iterator[Pinned]:
    """A thread that runs a loop of the instance, which only the instance's `__del__` would end."""
    for path, call in project.calls("Thread"):
        target = dict(call.keywords).get("target", "")
        cls = _class_of(project, path, call.func) if call.func >= 0 else ""
        if not cls or not target or project.method(Place(path, cls), "__del__") is None:
            continue
        held = _holds_self(project, path, call, target, ())
        at = project.method(Place(path, cls), held[0]) if held is not None else None
        loop = project.function(*at) if at is not None else None
        if held is not None and loop is not None and loop.forever:
            yield Pinned(path, call, project.files[path].functions[call.func], cls, *held)


def eager(project: Project) -> Iterator[tuple[str, Call, str]]:
    """Yield (file, call, mapping) of finalizers made as the default of `setdefault`: one per call, kept or not."""
    for path, call in project.calls("finalize"):
        verb, _, callee = call.usage.partition(":")
        if (
            call.callee == "x:weakref.finalize"
            and call.func >= 0
            and verb == "arg"
            and callee.endswith(".setdefault")
        ):
            yield path, call, callee.removesuffix(".setdefault").rpartition(".")[2]


def _finalizer(project: Project, path: str, call: Call, function: Function) -> Iterator[Pinned]:
    if len(call.args) < 2:
        return
    target, callback, *rest = call.args
    if target == "self":
        held = _holds_self(project, path, call, callback, (*rest, *(value for _, value in call.keywords)))
        if held is not None:
            yield Pinned(path, call, function, _class_of(project, path, call.func), *held)
        return
    name = target.partition("|")[0].partition(":")[2].partition(":")[0]
    if not target.startswith(("local:", "param:")):
        return
    method = callback.partition("|")[0].removeprefix(f"attr:{name}.")
    if callback.startswith(f"attr:{name}.") and "." not in method:
        yield Pinned(path, call, function, "", method, f"the bound method `{name}.{method}`")
    closure = _nested(project, path, call, callback.partition("|")[0])
    if closure is not None and name in closure.captures:
        yield Pinned(path, call, function, "", closure.name, f"a closure over `{name}`")


def _exit_handler(project: Project, path: str, call: Call, function: Function) -> Iterator[Pinned]:
    callback, *rest = call.args
    held = _holds_self(project, path, call, callback, (*rest, *(value for _, value in call.keywords)))
    cls = _class_of(project, path, call.func)
    if held is not None and cls:
        yield Pinned(path, call, function, cls, *held)


def _holds_self(
    project: Project, path: str, call: Call, callback: str, others: tuple[str, ...]
) -> tuple[str, str] | None:
    """Return (name, how) when the callback or one of its arguments holds the instance."""
    tags = callback.split("|")
    first = tags[1] if tags[0] == "call:partial" and len(tags) > 1 else tags[0]
    cls = _class_of(project, path, call.func)
    if first.startswith("bound:") and "call:ref" not in tags:
        name = first.rpartition(".")[2]
        method = project.method(Place(path, cls), name)
        bound = project.function(*method) if method is not None else None
        if bound is not None and bound.kind == "":
            return name, f"the bound method `self.{name}`"
    if first == "lambda" or first.startswith("closure:"):
        nested = _nested(project, path, call, first)
        if nested is not None and _self_name(project, path, call.func) in nested.captures:
            return (
                nested.name,
                "a lambda over `self`"
                if nested.name == "<lambda>"
                else f"`{nested.name}`, a closure over `self`",
            )
    if "self" in (value.partition("|")[0] for value in others):
        return tags[0].partition(":")[2].rpartition(".")[2] or "callback", "the argument `self`"
    return None


def _nested(project: Project, path: str, call: Call, tag: str) -> Function | None:
    functions = project.files[path].functions
    if tag.startswith("closure:"):
        index = project.function_named(path, tag[len("closure:") :])
        return functions[index] if index is not None else None
    if tag != "lambda":
        return None
    return next(
        (
            f
            for f in functions
            if f.name == "<lambda>" and f.parent == call.func and call.line <= f.line <= call.end_line
        ),
        None,
    )


def _class_of(project: Project, path: str, index: int) -> str:
    """The class whose instance is `self` there, also inside functions nested in a method."""
    method = _method(project, path, index)
    return method.cls if method is not None else ""


def _self_name(project: Project, path: str, index: int) -> str:
    method = _method(project, path, index)
    return method.params[0].name if method is not None and method.params else ""


def _method(project: Project, path: str, index: int) -> Function | None:
    function = project.function(path, index)
    while function is not None and not function.cls:
        function = project.function(path, function.parent)
    return function if function is not None and function.kind in ("", "property") else None
