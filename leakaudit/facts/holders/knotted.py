"""Objects that hold themselves through one of their own attributes: which stores are such knots, and who unties them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.holders.endings import Endings
from leakaudit.facts.holders.links import Link, is_per_event, is_plain
from leakaudit.facts.holders.subscribing import LASTING
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import FileFacts, Function, Knot, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

#: Methods of what libraries hand out, and programs patch: futures, files, sockets, threads, queues, responses.
_METHODS = frozenset(
    "result exception cancel done set_result set_exception add_done_callback read write readline flush seek close send recv sendall accept connect "
    "run start join get put execute fetch commit rollback acquire release wait notify request respond stop shutdown".split()
)
_CLASSES = re.compile(
    r"^(cls|klass|class_?|typ|type_|mod|module|func|fn|f|function|wrapper|wrapped|decorated|method|meth)$|_(cls|class|module|func|fn)$"
)
_TYPES = re.compile(r"\b([tT]ype|Callable|ModuleType)\b")
#: Rings of nodes are made so on purpose.
_SENTINEL = re.compile(r"(^|_)(prev|previous|next|left|right|head|tail|first|last|before|after)(_|$)")
_WRAPPER = re.compile(
    r"wrap|decorat|patch|trac|instrument|hook|proxy|cache|partial|warn|guard|timed|retry|memoi", re.IGNORECASE
)
#: What lasts is patched once.
_LASTING = LASTING | {"logger", "log", "router", "module", "loop"}
#: Ways to hold that serve the instance alone; a method kept as a strategy is a smaller matter.
_RINGS = ("itself", "container", "made", "callback", "wrapped", "filled", "grown")
_TAKES_OUT = re.compile(r"\.(pop|popleft|remove|discard|clear)$")


ITSELF = "the instance holds itself"


class Knotted:
    """Finds the knots of one project that nothing unties."""

    def __init__(self, project: Project, endings: Endings) -> None:
        self._project = project
        self._endings = endings

    def __iter__(self) -> Iterator[Link]:
        """Yield the links, file by file."""
        for path, facts in self._project.files.items():
            untied = {k.owner for k in facts.knots if _puts_back(k)}
            for knot in facts.knots:
                if knot.owner not in untied:
                    own = knot.owner.startswith("i:")
                    link = self._own(path, knot) if own else self._others(path, facts, knot)
                    if link is not None:
                        yield link

    def _own(self, path: str, knot: Knot) -> Link | None:
        """`self.attribute = ...` in a method: what the instance holds, and whether a method lets go of it."""
        cls, _, attribute = knot.owner[2:].rpartition(".")
        place = Place(path, cls)
        how = self._how(place, knot, attribute)
        if not how or self._endings.is_cleared(place, attribute):
            return None
        cues = ((f"nothing but the instance needs {how}", 1),) if knot.how in _RINGS else ()
        reason = ITSELF if how == "itself" else f"the instance holds {how}, which holds the instance"
        return Link(
            path,
            cls,
            attribute,
            "knot",
            knot.line,
            knot.column,
            knot.func,
            reason,
            (*cues, *self._cues(place, attribute, knot)),
        )

    def _cues(self, place: Place, attribute: str, knot: Knot) -> Iterator[tuple[str, int]]:
        if knot.how == "method" and knot.always and self._project.method(place, attribute) is not None:
            yield f"every instance is given one in place of the method `{attribute}` of its class", 1
        if is_per_event(self._project, place):
            yield "one is made for each connection or request, and leaves such a cycle", 1
        elif self._project.lifetimes.of_class(place).value == "likely-long" and not (
            knot.how == "itself" and self._is_made_by_objects(place)
        ):
            yield "instances live long", -1
        parted = self._endings.left(place, attribute)
        if parted is not None:
            yield f"`{parted.method}` lets go of `{parted.attribute}`, and not of this", 1

    def _is_made_by_objects(self, place: Place) -> bool:
        """Methods of its file make and return it, so that there are many, whatever its name says."""
        functions = self._project.files[place.path].functions
        return any(tag == f"new:{place.name}" for f in functions if f.cls for tag in f.returns)

    def _how(self, place: Place, knot: Knot, attribute: str) -> str:
        what = knot.what
        if knot.how == "itself":
            return "itself"
        if knot.how in ("container", "grown"):
            emptied = knot.how == "grown" and self._is_taken_out(place.path, knot)
            return "a container with itself" if what == "itself" and not emptied else ""
        if knot.how == "closure":
            return f"`{what}`" if what != "<lambda>" else "a lambda over it"
        at = self._project.method(place, attribute if knot.how == "wrapped" else what)
        method = self._project.function(*at) if at is not None else None
        if method is None or not is_plain(method):
            return ""
        if knot.how == "made":
            return f"the endless generator `{what}`" if method.is_generator and method.forever else ""
        return {
            "method": f"its own method `{what}`",
            "filled": f"a mapping that its method `{what}` fills",
            "partial": f"a partial of its method `{what}`",
            "wrapped": f"a wrapper of its own method `{attribute}`",
            "callback": f"a weak reference whose callback is its method `{what}`",
        }[knot.how]

    def _others(self, path: str, facts: FileFacts, knot: Knot) -> Link | None:
        """`future.get = future.result`: an object that is patched with what holds it."""
        function = facts.functions[knot.func]
        attribute = knot.owner.rpartition(".")[2]
        base = knot.base
        if "." in base or self._is_class(facts, knot, function) or self._lasts(knot):
            return None
        if any(
            e.owner == knot.owner and e.op == Op.REBIND and (e.value == "None" or e.method == "del")
            for e in facts.events
        ):
            return None
        if _is_put_back(facts, knot):
            return None
        if knot.how == "itself" and not _SENTINEL.search(attribute):
            reason = f"`{base}` is its own `{attribute}`"
        elif knot.how == "grown" and knot.what == "itself" and not self._is_taken_out(path, knot):
            reason = f"`{attribute}` of `{base}` holds `{base}` again"
        elif knot.how == "closure":
            reason = f"`{base}` holds `{knot.what}`, which captures it"
        elif knot.how == "method" and self._is_method(knot.what) and self._is_method(attribute):
            reason = f"`{base}` holds its own method `{knot.what}`"
        elif knot.how == "partial":
            reason = f"`{base}` holds a partial over itself"
        elif knot.how == "wrapped" and self._is_method(attribute) and self._wraps(path, knot):
            reason = f"`{base}` holds a wrapper of its own method `{attribute}`"
        else:
            return None
        return Link(
            path,
            function.qualname,
            f"{base}.{attribute}",
            "patched",
            knot.line,
            knot.column,
            knot.func,
            reason,
            (self._comes(knot, function),),
        )

    def _lasts(self, knot: Knot) -> bool:
        """By its name. A context that puts itself into its own list is that of one operation."""
        return bool(_LASTING & {*words(knot.base)} - ({"context"} if knot.how == "grown" else set()))

    def _comes(self, knot: Knot, function: Function) -> tuple[str, int]:
        base = knot.base
        if knot.how == "grown":
            return "its own container holds it", 1
        names = [p.name for p in function.params]
        if base == "self" and names[:1] == ["self"]:
            return "it stands in for a method: every instance comes by", 1
        return ("it came in as an argument", 0) if base in names else ("made anew for every object", 1)

    def _is_taken_out(self, path: str, knot: Knot) -> bool:
        """Something takes elements out of a container of that name."""
        facts = self._project.files[path]
        attribute = knot.owner.rpartition(".")[2]
        ops = (Op.SHRINK, Op.CLEAR, Op.REBIND)
        return any(
            e.op in ops and e.owner.rpartition(".")[2] == attribute and e.func != knot.func
            for e in facts.events
        ) or any(
            _TAKES_OUT.search(name) and name.split(".")[-2:-1] == [attribute]
            for function in facts.functions
            for name in function.calls
        )

    def _wraps(self, path: str, knot: Knot) -> bool:
        """What is called keeps the method that it is given: by its name, or it returns a function of its own."""
        if _WRAPPER.search(knot.what) or knot.what[:1].isupper():
            return True
        at = self._project.callee(f"m:{knot.what}", path, knot.func)
        function = self._project.function(*at) if at is not None else None
        return function is not None and any(tag.startswith("closure:") for tag in function.returns)

    def _is_class(self, facts: FileFacts, knot: Knot, function: Function) -> bool:
        """What is patched is a class, a module or a function."""
        base = knot.base
        if _CLASSES.search(base) or base[:1].isupper():
            return True
        annotation = next((p.annotation for p in function.params if p.name == base), "")
        return _TYPES.search(annotation) is not None or any(
            f.name == base and f.parent == knot.func for f in facts.functions
        )

    def _is_method(self, name: str) -> bool:
        return name in self._methods

    @cached_property
    def _methods(self) -> frozenset[str]:
        """The names of plain methods, of the project and of others, that nothing stores data under."""
        every = (f for facts in self._project.files.values() for f in facts.functions)
        found = _METHODS | {f.name for f in every if f.cls and is_plain(f)}
        knotted = {k.owner for facts in self._project.files.values() for k in facts.knots}
        stored = {
            s[0].rpartition(".")[2]
            for facts in self._project.files.values()
            for s in facts.stored
            if s[0] not in knotted and s[1].startswith(("const:", "param:", "literal:", "new:"))
        }
        return found - stored


def _is_put_back(facts: FileFacts, knot: Knot) -> bool:
    """`saved = it.run`, and a function made there, such as the one that takes its place, does `it.run = saved`."""
    return any(
        owner == knot.owner
        and at >= 0
        and facts.functions[at].parent == knot.func
        and not origins.startswith("closure:")
        for owner, origins, _, at in facts.stored
    )


def _puts_back(knot: Knot) -> bool:
    """`saved = self.run`, and later `self.run = saved`."""
    return knot.how == "method" and knot.what == knot.owner.rpartition(".")[2]
