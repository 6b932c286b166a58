"""LA702: each call hangs one more hook on a module, and drops the handle that would take it off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.model import Call, Function
    from leakaudit.facts.project import Project

_HOOKS = (
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_backward_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
    "register_module_forward_hook",
    "register_module_full_backward_hook",
)
_CONTEXT = {
    "per-event": 2,
    "likely-event": 1,
    "construct": -3,
    "start-up": -4,
    "import": -8,
    "registrar": -2,
    "addition": -1,
}
_ONCE = re.compile(
    r"^_*(init|setup|set_up|build|create|make|configure|attach|register|add|install|wrap|patch|convert|prepare|enable|hook|load)(_|$)|^__init__$"
)


class HookHandleDropped(Rule):
    """A function registers a hook on a module that it was given, and drops the handle.

    ## What it does

    Flags `register_forward_hook` and its kin when the returned handle is dropped, in a function that runs again and again
    with a model that outlives the call.

    ## Why it leaks

    The module keeps every hook, with the variables that the hook captures: often the very outputs that it collects. Each
    call adds one more, and each forward pass runs all of them.

    ## Example

        import torch

        def extract_features(model, batch):
            features = []

            def collect(module, inputs, output):
                features.append(output)

            model.encoder.register_forward_hook(collect)
            model(batch)
            return features

    ## Use instead

        import torch

        def extract_features(model, batch):
            features = []

            def collect(module, inputs, output):
                features.append(output.detach())

            handle = model.encoder.register_forward_hook(collect)
            try:
                model(batch)
            finally:
                handle.remove()
            return features

    ## What we do not flag

    Hooks that a constructor or a set-up function registers once; handles that are kept, returned or used in `with`; models
    that the function makes itself.

    ## References

    - https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_forward_hook
    """

    code = "LA702"
    name = "hook-handle-dropped"
    object_types = ("function", "torch.utils.hooks.RemovableHandle")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the registrations in functions whose handle is dropped."""
        for path, call in project.calls(*_HOOKS):
            function = project.function(path, call.func)
            if function is not None and call.usage == "drop":
                yield self._suspect(project, path, call, function)

    def _suspect(self, project: Project, path: str, call: Call, function: Function) -> Suspect:
        verb = call.callee.replace(":", ".").rpartition(".")[2]
        module = project.module_name(path)
        hook = _hook(call)
        index = project.function_named(path, hook) if hook else None
        closure = project.function(path, index) if index is not None else None
        related = (
            (Related(Location(path, closure.line, closure.column), "the hook, with what it captures"),)
            if closure is not None
            else ()
        )
        return Suspect(
            location=Location(path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{function.qualname}.<locals>.{hook.rpartition('.')[2] or verb}",
            message=f"each `{function.name}` hangs one more hook on the module: the handle of `{verb}` is dropped",
            evidence=tuple(self._evidence(project, path, call, function, closure)),
            related=related,
            help=("keep the handle, and call `handle.remove()` in `finally`",),
            probe=Probe(ProbeKind.TYPE_COUNT, module, path, function.qualname, "", self.object_types),
            scope=f"{verb}:{call.callee}",
            cap=Confidence.HIGH if closure is not None else Confidence.MEDIUM,
        )

    def _evidence(
        self, project: Project, path: str, call: Call, function: Function, closure: Function | None
    ) -> Iterator[Evidence]:
        yield Evidence("handle", "dropped", "the handle is the only way to take the hook off again", 2)
        context = project.contexts.of_function(path, call.func)
        yield Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0))
        if _ONCE.match(function.name):
            yield Evidence(
                "name", "set-up", f"`{function.name}` is named like code that runs once per model", -4
            )
        origins = [tag for tag in call.receiver if tag.startswith(("param:", "local:", "new:", "self"))]
        if any(tag.startswith("param:") for tag in origins):
            yield Evidence(
                "module", "passed in", "the module came in as an argument and outlives the call", 2
            )
        elif any(tag.startswith("new:") for tag in origins):
            yield Evidence("module", "made here", "the module is made by the function and goes with it", -4)
        if closure is not None and closure.captures:
            names = ", ".join(f"`{name}`" for name in closure.captures)
            yield Evidence("captures", names, f"the hook keeps {names}", 2)
        if any("hook" in guard for guard in call.guards):
            yield Evidence("once", "guarded", f"guarded by `{call.guards[-1]}`", -3)


def _hook(call: Call) -> str:
    first = call.args[0].partition("|")[0] if call.args else ""
    return first.removeprefix("closure:") if first.startswith("closure:") else ""
