"""All files' facts linked: which class a name means, which container an event belongs to, who calls whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.custom import Tables
from leakaudit.facts.growth import cleanup, keys
from leakaudit.facts.growth.cleanup import Cleanup
from leakaudit.facts.growth.context import Contexts
from leakaudit.facts.growth.lifetime import Lifetimes
from leakaudit.facts.linking import inherited
from leakaudit.facts.linking.callers import Callers
from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.linking.modules import Modules
from leakaudit.facts.model import Abandoned, Call, Class, FileFacts, Flag, Function, Op

if TYPE_CHECKING:
    from leakaudit.facts.growth.judge import Growth

_REMOVERS = frozenset("discard remove prune evict expire trim cleanup clean purge pop sweep delete".split())
_MRO_LIMIT = 12
_BY_NAME_LIMIT = 3


class Project:
    """Facts of many files; `files` maps the path as given to its facts. Answers are computed on demand and kept."""

    def __init__(self, files: Mapping[str, FileFacts], tables: Tables | None = None) -> None:
        self.files = files
        self.tables = tables or Tables()
        self.modules = Modules(files)
        self._classes: dict[Place, Class] = {}
        self._functions: dict[tuple[str, str], int] = {}
        for path, facts in files.items():
            for cls in facts.classes:
                self._classes[Place(path, cls.qualname)] = cls
            for index, function in enumerate(facts.functions):
                self._functions[(path, function.qualname)] = index
        self.growths: dict[Place, Growth | None] = {}  # kept for judge.growing
        self._mro: dict[Place, tuple[Place, ...]] = {}

    # -- names ------------------------------------------------------------------------------------------------------

    def module_name(self, path: str) -> str:
        """Return the dotted name of a file."""
        return self.modules.name_of(path)

    def symbol(self, subject: Subject) -> str:
        """Return `module.Class.attr`, `module.name` or `module.func.<locals>.name`."""
        scope, _, rest = subject.owner.partition(":")
        if scope in ("l", "d"):
            function, _, name = rest.rpartition(".")
            rest = f"{function}.<locals>.{name}" if scope == "l" else f"{function}.{name}"
        return f"{self.module_name(subject.path)}.{rest}"

    def class_named(self, dotted: str, path: str) -> Place | None:
        """Return the class that `dotted` means in `path`: its own, or an imported one of the project."""
        local = Place(path, dotted)
        if local in self._classes:
            return local
        facts = self.files.get(path)
        root, _, rest = dotted.partition(".")
        if facts is not None and root in facts.imports:
            dotted = facts.imports[root] + (f".{rest}" if rest else "")
        return self._imported_class(dotted, path, 0)

    def _imported_class(self, dotted: str, path: str, hops: int) -> Place | None:
        located = self.modules.locate(dotted, path)
        if located is None or not located[1]:
            return None
        target, name = located
        place = Place(target, name)
        if place in self._classes:
            return place
        root, _, rest = name.partition(".")
        again = self.files[target].imports.get(root)
        if again is not None and hops < 4 and target != path:
            return self._imported_class(again + (f".{rest}" if rest else ""), target, hops + 1)
        return None

    def class_at(self, place: Place) -> Class | None:
        """Return the class facts at a place."""
        return self._classes.get(place)

    def mro(self, place: Place) -> tuple[Place, ...]:
        """Return the class and those of its bases that are in the project, nearest first."""
        known = self._mro.get(place)
        if known is not None:
            return known
        order: list[Place] = []
        todo = [place]
        while todo and len(order) < _MRO_LIMIT:
            current = todo.pop(0)
            if current in order or current not in self._classes:
                continue
            order.append(current)
            for base in self._classes[current].bases:
                found = self.class_named(base, current.path)
                if found is not None:
                    todo.append(found)
        self._mro[place] = tuple(order)
        return self._mro[place]

    # -- the four answers -------------------------------------------------------------------------------------------

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """How long classes and containers live."""
        return Lifetimes(self)

    @cached_property
    def contexts(self) -> Contexts:
        """When functions and events run."""
        return Contexts(self)

    def lifetime(self, subject: Subject) -> Answer:
        """Return how long the owner of a container lives."""
        return self.lifetimes.of(subject)

    def context(self, seen: Seen) -> Answer:
        """Return when an event happens."""
        return self.contexts.of(seen.path, seen.event)

    def key_domain(self, subject: Subject, seen: Seen) -> Answer:
        """Return how many different entries an event can add."""
        enum = self._enum_key(subject) if seen.event.depth == 0 else ""
        if enum:
            return Answer(
                "finite",
                f"`{subject.name}` is keyed by the enum `{enum}`",
                subject.path,
                subject.container.line,
            )
        if self._is_class_itself(seen):
            return Answer(
                "finite",
                f"the key `{seen.event.key or seen.event.value}` is a class: as many as the program has",
            )
        kind = subject.container.kind
        return keys.domain(
            inherited.by_value(self, seen)
            if kind in ("dict", "defaultdict", "counter", "set")
            else seen.event,
            sequence=kind in ("list", "deque", "queue", "buffer") and not _asked_first(subject, seen),
            mapping=kind in ("dict", "defaultdict", "counter"),
        )

    def _is_class_itself(self, seen: Seen) -> bool:
        """Whether a method of a metaclass puts in the class that it is called on."""
        event = seen.event
        tags = event.key_origins if event.key else event.value_origins
        function = self.function(seen.path, event.func)
        return (
            function is not None
            and tags[:1] == ("self",)
            and not event.depth
            and any(
                b == "type" or b.endswith("Meta") for b in self.base_names(Place(seen.path, function.cls))
            )
        )

    def _enum_key(self, subject: Subject) -> str:
        """The name of the enum (or other finite type) that the annotation gives as the key's type, or ""."""
        inside = subject.container.annotation.partition("[")[2]
        first = inside.partition(",")[0].strip().strip("'\"").removesuffix("]")
        if not first:
            return ""
        if keys.is_finite_annotation(first):
            return first
        place = self.class_named(first, subject.path)
        return (
            first
            if place is not None and any(b.endswith(("Enum", "Flag")) for b in self.base_names(place))
            else ""
        )

    def cleanup(self, subject: Subject) -> Cleanup:
        """Return the grade of what keeps a container small."""
        known: dict[Place, Cleanup] = self.__dict__.setdefault("_cleanup", {})
        place = Place(subject.path, subject.owner)
        if place not in known:
            known[place] = cleanup.grade(self, subject)
        return known[place]

    @cached_property
    def gaining(self) -> dict[tuple[str, str, str, str], list[Subject]]:
        """(file, scope, class, key text) -> containers that gain that key."""
        found: dict[tuple[str, str, str, str], list[Subject]] = {}
        for place, subject in self.subjects.items():
            for key in {s.event.key for s in subject.events(Op.GROW) if s.event.key and not s.event.depth}:
                found.setdefault((place.path, subject.scope, subject.cls, key), []).append(subject)
        return found

    @cached_property
    def removals_by_key(self) -> dict[tuple[str, str, str, str], list[Seen]]:
        """(file, scope, class, key text) -> removals of one entry, outside teardown, from containers that also gain that key."""
        found: dict[tuple[str, str, str, str], list[Seen]] = {}
        for place, subject in self.subjects.items():
            if subject.scope not in "im":
                continue
            gained = {s.event.key for s in subject.events(Op.GROW) if s.event.key}
            for seen in subject.events(Op.SHRINK):
                if (
                    seen.event.key
                    and seen.event.key in gained
                    and seen.event.depth == 0
                    and not seen.event.flags & Flag.CALLBACK
                ):
                    found.setdefault((place.path, subject.scope, subject.cls, seen.event.key), []).append(
                        seen
                    )
        return found

    @cached_property
    def abandoned(self) -> dict[Place, list[tuple[str, Abandoned]]]:
        """Container -> (file, way out) of the entries that are left in on it."""
        found: dict[Place, list[tuple[str, Abandoned]]] = {}
        for path, facts in self.files.items():
            for item in facts.abandoned:
                owner = Place(path, item.owner)
                place = owner if owner in self.subjects else self.place_of(item.owner, path)
                if place is not None:
                    found.setdefault(place, []).append((path, item))
        return found

    def place_of(self, owner: str, path: str) -> Place | None:
        """Return the container that an owner string of a file means, if the project holds it."""
        scope, _, rest = owner.partition(":")
        return self._resolve(scope, rest, path, self.subjects)

    # -- classes ----------------------------------------------------------------------------------------------------

    @cached_property
    def subclasses(self) -> dict[Place, list[Place]]:
        """Direct and indirect subclasses of each class, as far as the project holds them."""
        found: dict[Place, list[Place]] = {}
        for place in self._classes:
            for base in self.mro(place)[1:]:
                found.setdefault(base, []).append(place)
        return found

    def base_names(self, place: Place) -> set[str]:
        """Return the last parts of the names of all bases, inside and outside the project."""
        return {base.rpartition(".")[2] for p in self.mro(place) for base in self._classes[p].bases}

    def function(self, path: str, index: int) -> Function | None:
        """Return the function with that index in a file, None for module and class level."""
        return self.files[path].functions[index] if index >= 0 else None

    def function_named(self, path: str, qualname: str) -> int | None:
        """Return the index of a function by its qualified name."""
        return self._functions.get((path, qualname))

    def method(self, place: Place, name: str) -> tuple[str, int] | None:
        """Return (file, function index) of a method, searched through the bases."""
        for current in self.mro(place):
            index = self._functions.get((current.path, f"{current.name}.{name}"))
            if index is not None:
                return current.path, index
        return None

    # -- containers -------------------------------------------------------------------------------------------------

    @cached_property
    def subjects(self) -> dict[Place, Subject]:
        """Every declared container with its events from the whole project."""
        found: dict[Place, Subject] = {}
        for path, facts in self.files.items():
            for container in self.tables.containers_of(facts):
                found[Place(path, container.owner)] = Subject(path, container)
        by_name: dict[str, list[Place]] = {}
        for place in found:
            if place.name[0] in "ic":
                by_name.setdefault(place.name.rpartition(".")[2], []).append(place)
        names = self._names_of(found)
        for path, facts in self.files.items():
            targets: dict[str, list[tuple[Place, bool]]] = {}
            for owner in {*(event.owner for event in facts.events), *facts.uses}:
                if owner.rpartition(":")[2].rpartition(".")[2] in names:
                    targets[owner] = self._targets(owner, path, found, by_name)
            for event in facts.events:
                for place, sure in targets.get(event.owner, ()):
                    found[place].seen.append(Seen(path, event, sure))
            for owner, mask in facts.uses.items():
                for place, _ in targets.get(owner, ()):
                    found[place].uses |= mask
        return inherited.joined(self, found)

    def _names_of(self, places: Iterable[Place]) -> set[str]:
        """The names by which something may mean one of the containers: their own, and all that are given on import."""
        return {place.name.rpartition(":")[2].rpartition(".")[2] for place in places} | self.renamed

    @cached_property
    def renamed(self) -> set[str]:
        """The names that are given on import: `import a as b`."""
        imports = (item for facts in self.files.values() for item in facts.imports.items())
        return {name for name, dotted in imports if dotted.rpartition(".")[2] != name}

    def _targets(
        self, owner: str, path: str, found: Mapping[Place, Subject], by_name: Mapping[str, list[Place]]
    ) -> list[tuple[Place, bool]]:
        direct = Place(path, owner)
        if direct in found:
            return [(direct, True)]
        scope, _, rest = owner.partition(":")
        place = self._resolve(scope, rest, path, found)
        if place is not None:
            return [(place, True)]
        if scope in ("?", "t", "i", "m", "x") and "." in rest and not self._is_object(scope, rest, path):
            named = self._named(rest.rpartition(".")[2], path, by_name)
            return [(p, len(named) == 1 and p.path == path) for p in named]
        return []

    def _is_object(self, scope: str, rest: str, path: str) -> bool:
        """Whether the attribute is known to hold an object of the project's own, so that it is no container."""
        holder, _, attribute = rest.rpartition(".")
        if scope == "t":
            cls = self.class_named(holder, path)
        elif scope == "i":
            cls, attributes = self._split_class(rest, path)
            for name in attributes[:-1]:
                cls = self.attribute_type(cls, name) if cls is not None else None
        else:
            return False
        return cls is not None and self.attribute_type(cls, attribute) is not None

    def _resolve(self, scope: str, rest: str, path: str, found: Mapping[Place, Subject]) -> Place | None:
        if scope in ("i", "c"):
            cls, attributes = self._split_class(rest, path)
            return self._attribute(cls, attributes, found) if cls is not None else None
        if scope == "t":
            name, _, attribute = rest.rpartition(".")
            cls = self.class_named(name, path)
            return self._attribute(cls, [attribute], found) if cls is not None else None
        if scope == "x":
            return self._imported(rest, path, found)
        if scope == "m" and "." in rest:
            root, *attributes = rest.split(".")
            kind = self.files[path].types.get(f"m:{root}")
            cls = self.class_named(kind, path) if kind else None
            return self._attribute(cls, attributes, found) if cls is not None else None
        return None

    def _imported(
        self, dotted: str, path: str, found: Mapping[Place, Subject], hops: int = 4
    ) -> Place | None:
        located = self.modules.locate(dotted, path)
        if located is None or not located[1]:
            return None
        target, name = located
        place = Place(target, f"m:{name}")
        if place in found:
            return place
        root, *attributes = name.split(".")
        if attributes:
            if Place(target, root) in self._classes:
                return self._attribute(Place(target, root), attributes, found)
            kind = self.files[target].types.get(f"m:{root}")
            cls = self.class_named(kind, target) if kind else None
            if cls is not None:
                return self._attribute(cls, attributes, found)
        again = self.files[target].imports.get(root)
        if again is not None and target != path and hops:
            return self._imported(".".join([again, *attributes]), target, found, hops - 1)
        return None

    def _split_class(self, rest: str, path: str) -> tuple[Place | None, list[str]]:
        """Split `Outer.Inner.a.b` into the class and the attributes."""
        name, _, last = rest.rpartition(".")
        attributes = [last]
        while name:
            place = Place(path, name)
            if place in self._classes:
                return place, attributes
            name, _, last = name.rpartition(".")
            attributes.insert(0, last)
        return None, []

    def _attribute(self, cls: Place, attributes: list[str], found: Mapping[Place, Subject]) -> Place | None:
        current: Place | None = cls
        for attribute in attributes[:-1]:
            current = self.attribute_type(current, attribute) if current is not None else None
        if current is None:
            return None
        for base in self.mro(current):
            for scope in ("i", "c"):
                place = Place(base.path, f"{scope}:{base.name}.{attributes[-1]}")
                if place in found:
                    return place
        return None

    def attribute_type(self, cls: Place, attribute: str) -> Place | None:
        """Return the project class of `instance.attribute`, as far as constructors and annotations tell."""
        for base in self.mro(cls):
            types = self.files[base.path].types
            kind = types.get(f"i:{base.name}.{attribute}") or types.get(f"c:{base.name}.{attribute}")
            if kind:
                return self.class_named(kind, base.path)
        return None

    def _named(self, attribute: str, path: str, by_name: Mapping[str, list[Place]]) -> list[Place]:
        """Containers of that attribute name that the file can know: its own, or of a module that it imports."""
        places = by_name.get(attribute, [])
        if not places:
            return []
        known = [p for p in places if p.path == path]
        if not known:
            reach = self._reach(path)
            known = [p for p in places if p.path in reach]
        return known if len(known) <= _BY_NAME_LIMIT else []

    def _reach(self, path: str) -> set[str]:
        cache: dict[str, set[str]] = self.__dict__.setdefault("_reach_cache", {})
        if path not in cache:
            located = (self.modules.locate(dotted, path) for dotted in set(self.files[path].imports.values()))
            cache[path] = {found[0] for found in located if found is not None}
        return cache[path]

    # -- calls ------------------------------------------------------------------------------------------------------

    @cached_property
    def callers(self) -> Callers:
        """Who calls a function or passes it along."""
        return Callers(self)

    def is_class(self, name: str, path: str) -> bool:
        """Tell whether an owner-style name means a class of the project."""
        scope, _, rest = name.partition(":")
        return scope in ("m", "x") and self.class_named(rest, path) is not None

    def callee(self, name: str, path: str, caller: int) -> tuple[str, int] | None:
        """Return the function that an owner-style callee means."""
        scope, _, rest = name.partition(":")
        if scope == "i":
            cls, attributes = self._split_class(rest, path)
            return self._method_of(cls, attributes)
        if scope in ("c", "t"):
            owner, _, attribute = rest.rpartition(".")
            cls = self.class_named(owner, path)
            return self.method(cls, attribute) if cls is not None else None
        if scope == "m":
            return self._global_callee(rest, path)
        if scope == "l":
            function = self.function(path, caller)
            while function is not None:
                index = self._functions.get((path, f"{function.qualname}.<locals>.{rest.rpartition('.')[2]}"))
                if index is not None:
                    return path, index
                function = self.function(path, function.parent)
            return None
        if scope == "x":
            located = self.modules.locate(rest, path)
            if located is None or not located[1]:
                return None
            return self._global_callee(located[1], located[0])
        return None

    def _method_of(self, cls: Place | None, attributes: list[str]) -> tuple[str, int] | None:
        for attribute in attributes[:-1]:
            cls = self.attribute_type(cls, attribute) if cls is not None else None
        return self.method(cls, attributes[-1]) if cls is not None and attributes else None

    def _global_callee(self, name: str, path: str) -> tuple[str, int] | None:
        index = self._functions.get((path, name))
        if index is not None:
            return path, index
        cls = self.class_named(name, path)
        if cls is not None:
            return self.method(cls, "__init__")
        root, *attributes = name.split(".")
        kind = self.files[path].types.get(f"m:{root}")
        place = self.class_named(kind, path) if kind and attributes else None
        return self._method_of(place, attributes) if place is not None else None

    def is_named(self, function: str) -> bool:
        """Tell whether anything calls a function of that name, passes it along or stores it as a bound method."""
        return self.callers.mentions(function) or function in self._stored_names

    @cached_property
    def _stored_names(self) -> set[str]:
        stored = {tags for facts in self.files.values() for _, tags, _, _ in facts.stored}
        bound = (t for tags in stored for t in tags.split("|") if t.startswith(("bound:", "attr:")))
        return {tag.rpartition(".")[2] for tag in bound}

    @cached_property
    def handed_to_removers(self) -> dict[tuple[str, str], str]:
        """(file, attribute) -> what takes entries out of containers that it is given: `self._discard(self._index, key)`."""
        found: dict[tuple[str, str], str] = {}
        for path, facts in self.files.items():
            for call in facts.calls:
                name = call.callee.replace(":", ".").rpartition(".")[2]
                if _REMOVERS & set(words(name)):
                    for argument in call.args:
                        for tag in argument.split("|")[:2]:
                            if tag.startswith("attr:self."):
                                found[path, tag.removeprefix("attr:self.")] = name
                for attribute in self._emptied(path, call):
                    found[path, attribute] = name
        return found

    def _emptied(self, path: str, call: Call) -> Iterator[str]:
        """The attributes that a call hands to a parameter which the callee takes entries out of."""
        given = [*enumerate(call.args), *call.keywords]
        given = [
            (at, tag.rpartition(".")[2])
            for at, tags in given
            for tag in tags.split("|")[:2]
            if tag.startswith("attr:self.")
        ]
        target = self.callee(call.callee, path, call.func) if given else None
        function = self.function(*target) if target is not None else None
        if function is None or not function.empties:
            return
        names = [p.name for p in function.params if not p.name.startswith("*")]
        names = names[1:] if function.cls and function.kind != "static" else names
        for at, attribute in given:
            name = names[at] if isinstance(at, int) and at < len(names) else at
            if name in function.empties:
                yield attribute

    @cached_property
    def ended_attributes(self) -> set[str]:
        """The names of the attributes on which anything calls `cancel` or `add_done_callback`, or that are handed on."""
        names = {name for facts in self.files.values() for f in facts.functions for name in f.calls}
        handed = {name for facts in self.files.values() for f in facts.functions for name in f.refs}
        ended = (n.rpartition(".")[0] for n in names if n.endswith((".cancel", ".add_done_callback")))
        return {name.rpartition(".")[2] for name in (*ended, *handed) if "." in name}

    @cached_property
    def constructions(self) -> dict[Place, list[tuple[str, Call]]]:
        """Class -> the calls that make instances of it."""
        found: dict[Place, list[tuple[str, Call]]] = {}
        for path, facts in self.files.items():
            for call in facts.calls:
                scope, _, rest = call.callee.partition(":")
                if (
                    scope in ("m", "x", "b", "l", "i", "c", "cls")
                    and rest.rpartition(".")[2].lstrip("_")[:1].isupper()
                ):
                    name = rest if scope != "l" else rest.rpartition(".")[2]
                    place = self.class_named(name, path)
                    if place is not None:
                        found.setdefault(place, []).append((path, call))
        return found

    def calls(self, *names: str) -> Iterator[tuple[str, Call]]:
        """Yield (file, call) of the remembered calls whose callee ends in one of the names."""
        for name in names:
            yield from self._calls_by_name.get(name, ())

    @cached_property
    def _calls_by_name(self) -> dict[str, list[tuple[str, Call]]]:
        found: dict[str, list[tuple[str, Call]]] = {}
        for path, facts in self.files.items():
            for call in facts.calls:
                found.setdefault(call.callee.replace(":", ".").rpartition(".")[2], []).append((path, call))
        return found


def _asked_first(subject: Subject, seen: Seen) -> bool:
    """Whether something goes into a list only when it is not in there yet."""
    asked = re.compile(rf"(^not .*| not) in (\w+\.)*{re.escape(subject.name)}$")
    return any(asked.search(guard) for guard in seen.event.guards)
