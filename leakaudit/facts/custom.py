"""What a project adds to the built-in tables of containers and APIs: `[tool.leakaudit.tables]`.

All of it is looked up when facts are linked, never while they are extracted, so that the cache holds for any tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from leakaudit.errors import ConfigError
from leakaudit.facts.model import Container, FileFacts
from leakaudit.facts.tables import CONTAINER_CALLS

_KINDS = tuple(sorted(set(CONTAINER_CALLS.values())))
_FACTORY = re.compile(r"[\w.]+\(.*factory=([\w.]+)")
_CALL = re.compile(r"([\w.]+)\(")
_NAME = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True)
class Tables:
    """Names of a project's own, whole (`acme.bus.on_event`) or by their dotted end (`on_event`).

    `containers` maps a constructor to the kind that it behaves like, `registrations` a call that keeps a callable to
    those that take it out again. `weak` names constructors and registrations that hold what they are given weakly.
    """

    bounded: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    containers: Mapping[str, str] = field(default_factory=dict)
    entry_points: tuple[str, ...] = ()
    registrations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    transient: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def extended(self, table: Mapping[str, object]) -> Tables:
        """Return these tables with more in them; raises ConfigError (cause and remedy, no file)."""
        values: dict[str, object] = {}
        for key, value in table.items():
            if key not in _READERS:
                import difflib

                near = difflib.get_close_matches(key.replace("_", "-"), _READERS, 1)
                hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(_READERS)}"
                raise ConfigError(f"unknown key `{key}` in [tool.leakaudit.tables]", hint)
            attribute = key.replace("-", "_")
            before = getattr(self, attribute)
            given: Any = _READERS[key](key, value)
            values[attribute] = {**before, **given} if isinstance(before, Mapping) else (*before, *given)
        return replace(self, **values)  # type: ignore[arg-type]

    # -- what the project asks ----------------------------------------------------------------------------------------

    def containers_of(self, facts: FileFacts) -> Iterable[Container]:
        """Return a file's containers as these tables see them."""
        if not (self.bounded or self.weak or self.containers):
            return facts.containers
        return tuple(self._judged(c, facts) for c in (*facts.containers, *self._more(facts)))

    def _judged(self, container: Container, facts: FileFacts) -> Container:
        match = _FACTORY.match(container.text) or _CALL.match(container.text)
        maker = _imported(match[1], facts) if match else ""
        if _named(maker, self.bounded):
            return msgspec.structs.replace(
                container, bound=f"`{maker}` bounds itself, as [tool.leakaudit.tables] says"
            )
        return msgspec.structs.replace(container, weak=True) if _named(maker, self.weak) else container

    def _more(self, facts: FileFacts) -> Iterator[Container]:
        known = {container.owner for container in facts.containers}
        for call in facts.calls if self.containers else ():
            verb, _, owner = call.usage.partition(":")
            kind = self.containers.get(_named(call.callee, self.containers), "")
            if kind and verb in ("name", "store") and owner[:2] in ("m:", "i:", "c:") and owner not in known:
                known.add(owner)
                place = (call.line, call.column, call.end_line, call.end_column, call.func)
                yield Container(owner, kind, *place, text=f"{_plain(call.callee)}()")

    def is_entry_point(self, decorator: str) -> bool:
        """Tell whether a decorator makes its function run per event."""
        return bool(_named(decorator, self.entry_points))

    def registers(self, callee: str) -> bool | None:
        """Tell whether a callee keeps the callable that it is given; None where these tables do not say."""
        if _named(callee, self.transient) or _named(callee, self.weak):
            return False
        return True if _named(callee, self.registrations) else None

    def undoes(self, name: str, registration: str) -> bool:
        """Tell whether a call of `name` takes out what a call of `registration` put in."""
        return bool(_named(name, self.registrations.get(_named(registration, self.registrations), ())))

    def is_metric(self, callee: str) -> bool:
        """Tell whether a callee declares a metric with labels."""
        return bool(_named(callee, self.metrics))


def _plain(name: str) -> str:
    """Return the dotted name of an owner-style callee or decorator: `x:acme.bus.on.()` is `acme.bus.on`."""
    return name.rpartition(":")[2].removesuffix(".()").lstrip(".")


def _named(name: str, table: Iterable[str]) -> str:
    """Return the entry that means a name, "" if none does."""
    if not table or not name:
        return ""
    plain = f".{_plain(name)}"
    return next((entry for entry in table if plain.endswith(f".{entry}")), "")


def _imported(dotted: str, facts: FileFacts) -> str:
    root, dot, rest = dotted.partition(".")
    return facts.imports.get(root, root) + dot + rest


def _names(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(_is_name(item) for item in value):
        raise ConfigError(
            f"`{key}` in [tool.leakaudit.tables] has to be a list of dotted names, not {value!r}"
        )
    return tuple(value)


def _kinds(key: str, value: object) -> Mapping[str, str]:
    if (
        not isinstance(value, dict)
        or not all(map(_is_name, value))
        or not all(kind in _KINDS for kind in value.values())
    ):
        raise ConfigError(
            f"`{key}` in [tool.leakaudit.tables] has to map constructors to kinds, not {value!r}",
            f"kinds: {', '.join(_KINDS)}",
        )
    return value


def _pairs(key: str, value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not all(map(_is_name, value)):
        raise ConfigError(
            f"`{key}` in [tool.leakaudit.tables] has to map calls that add to calls that remove, not {value!r}"
        )
    return {add: _names(key, [out] if isinstance(out, str) else out) for add, out in value.items()}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


_READERS = {
    "bounded": _names,
    "weak": _names,
    "containers": _kinds,
    "entry-points": _names,
    "registrations": _pairs,
    "transient": _names,
    "metrics": _names,
}
