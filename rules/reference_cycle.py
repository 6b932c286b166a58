"""LA205: an object ties a cycle with itself, and does not break it when its life ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from leakaudit.facts.holders.cycles import Cycles
from leakaudit.facts.holders.knotted import ITSELF
from leakaudit.facts.holders.links import Link
from leakaudit.facts.linking.linked import Place
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related, Severity
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_LIFETIME = {"process": -5, "long": -2, "scoped": -2}
_CONTEXT = {"per-event": 1, "likely-event": 1, "called": 1, "start-up": -3, "import": -8, "addition": -1}
_ONCE = re.compile(r"^_*(async_)?(serve|run|main|start|setup|set_up|install|init|create|build|register)(_|$)")
_SET_UP = re.compile(r"^_*(async_)?(main|setup|set_up|install|init|patch|instrument|configure|register)(_|$)")
_BASE = {"opaque": 2, "container": 4, "context": 2, "pair": 0, "knot": 2, "patched": 2}


class ReferenceCycle(Rule):
    """An object holds something that holds it, and nothing parts the two when its work is done.

    ## What it does

    Flags an instance put into its own container, a child that keeps its parent in a class that is made per operation, a
    helper that is stopped but kept, a wrapper that stays tied to what it wraps, a parser written in C that holds a bound
    method, and a closure that captures the object it is given to; each when no method breaks the cycle. Also an object that
    holds itself, a generator or bound method of its own, a mapping that such a method fills, weak references whose callback
    is one, or a closure over itself; one that is patched with what holds it (`future.get = future.result`); and a link or
    callback that stays when the object ends, though others are let go of.

    ## Why it leaks

    Reference counting cannot free a cycle. It stays, with sockets, buffers and frames, until the garbage collector runs over
    it: late for old objects, never with `gc.disable()` or where a C type hides the reference.

    ## Example

        class Pool:
            def __init__(self, **options):
                self.options = dict(options)
                self.options["pool"] = self

            def disconnect(self):
                for connection in self.connections:
                    connection.close()

    ## Use instead

        import weakref

        class Pool:
            def __init__(self, **options):
                self.options = dict(options)
                self.options["pool"] = weakref.proxy(self)

            def disconnect(self):
                for connection in self.connections:
                    connection.close()

    ## What we do not flag

    Trees of parents and children that live and die together; links that `close`, `stop` or `__exit__` sets to None; weak
    references and proxies; objects that live as long as the process; patches that are put back; classes and functions that
    are patched; rings of nodes; a method kept as a strategy by objects of which there are few.

    ## References

    - https://docs.python.org/3/library/gc.html
    - https://docs.python.org/3/library/weakref.html#weakref.proxy
    """

    code = "LA205"
    name = "reference-cycle"
    severity: ClassVar[Severity] = Severity.INFO
    object_types = ("cell", "method")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the links back that are never broken; one for each name of a class or function."""
        best: dict[tuple[str, str, str], Link] = {}
        for link in Cycles(project):
            itself = (
                link.kind == "knot" and link.reason == ITSELF
            )  # a generator of parsers writes it into every class
            key = (link.path, "" if itself else link.holder, link.name)
            if link.cues and (key not in best or _weight(link) > _weight(best[key])):
                best[key] = link
        for link in best.values():
            yield self._suspect(project, link)

    def _suspect(self, project: Project, link: Link) -> Suspect:
        module = project.module_name(link.path)
        inside = "<locals>." if link.kind in ("closure", "patched") else ""
        kind = link.holder.rpartition(".")[2]
        back = (Related(Location(*link.back), "the way back"),) if link.back is not None else ()
        return Suspect(
            location=Location(link.path, link.line, link.column),
            symbol=f"{module}.{link.holder}.{inside}{link.name}",
            message=f"`{link.name}` closes a cycle that nothing breaks: {link.reason}",
            evidence=tuple(self._evidence(project, link)),
            related=back,
            notes=tuple(what for what, _ in link.cues),
            help=(
                f"set `{link.name}` to None where the work ends (`close`, `stop`, `__exit__`)",
                "or hold one side weakly: `weakref.ref`, `weakref.proxy`, `weakref.WeakMethod`",
            ),
            probe=Probe(ProbeKind.TYPE_COUNT, module, link.path, link.holder, "", (f"{module}.{kind}",)),
            cap=Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, link: Link) -> Iterator[Evidence]:
        yield Evidence("cycle", link.kind, link.reason, _BASE.get(link.kind, 1))
        for what, weight in link.cues:
            yield Evidence("cue", link.kind, what, weight)
        if link.kind in ("closure", "patched"):
            context = project.contexts.of_function(link.path, link.func)
            weight = _CONTEXT.get(context.value, 0)
            if context.value == "called" and link.kind == "patched":
                weight = 0
            yield Evidence("context", context.value, context.reason, weight)
            if (_ONCE if link.kind == "closure" else _SET_UP).match(link.holder.rpartition(".")[2]):
                yield Evidence("name", "set-up", f"`{link.holder}` is named like code that runs once", -2)
        else:
            life = project.lifetimes.of_class(Place(link.path, link.holder))
            weight = _LIFETIME.get(life.value, 0)
            if link.reason == ITSELF and life.value == "unknown":
                weight = -1  # the root of what lasts is often made so
            yield Evidence("lifetime", life.value, life.reason, weight)


def _weight(link: Link) -> int:
    return _BASE.get(link.kind, 1) + sum(weight for _, weight in link.cues)
