"""The settings to compare: what is varied, and every combination of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from leakaudit.errors import UsageError

NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a dimension: environment variables to set (None: to unset), and placeholders to fill in."""

    value: str
    environment: tuple[tuple[str, str | None], ...] = ()
    placeholders: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something that is varied, with its choices in the order in which they are shown."""

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One combination: (dimension, value) pairs, the environment and the command that they make."""

    values: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str | None], ...]
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """The combination as people read it; an empty value is one that is not set."""
        parts = (f"{name}={value}" if value else f"no {name}" for name, value in self.values)
        return ", ".join(parts) or "as it is"


def parse_environment(text: str) -> Dimension:
    """Return the dimension of `NAME=VALUE,VALUE`, where an empty value unsets NAME; raises UsageError."""
    name, values = _split(text, "--env")
    return Dimension(name, tuple(Choice(value, environment=((name, value or None),)) for value in values))


def parse_placeholder(text: str, command: Sequence[str]) -> Dimension:
    """Return the dimension of `NAME=VALUE,VALUE`, which fills in {NAME} in the command; raises UsageError."""
    name, values = _split(text, "--vary")
    if not any(_braced(name) in argument for argument in command):
        raise UsageError(
            f"the command has no {_braced(name)} to fill in", f"write {_braced(name)} where the value belongs"
        )
    return Dimension(name, tuple(Choice(value, placeholders=((name, value),)) for value in values))


def combine(dimensions: Sequence[Dimension], command: Sequence[str]) -> tuple[Setting, ...]:
    """Return every combination, the first dimension varying slowest; raises UsageError if two share a name."""
    names = [dimension.name for dimension in dimensions]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is varied twice", "name all its values in one option")
    return tuple(_setting(names, choices, command) for choices in product(*(d.choices for d in dimensions)))


def _setting(names: Sequence[str], choices: Sequence[Choice], command: Sequence[str]) -> Setting:
    filled = list(command)
    for name, value in (item for choice in choices for item in choice.placeholders):
        # Not str.format: a command may hold braces of its own.
        filled = [argument.replace(_braced(name), value) for argument in filled]
    return Setting(
        values=tuple((name, choice.value) for name, choice in zip(names, choices, strict=True)),
        environment=tuple(item for choice in choices for item in choice.environment),
        command=tuple(filled),
    )


def _split(text: str, option: str) -> tuple[str, tuple[str, ...]]:
    name, equals, rest = text.partition("=")
    values = tuple(value.strip() for value in rest.split(","))
    if not equals or not NAME.fullmatch(name):
        raise UsageError(f"{option} {text!r} names no values", f"write {option} NAME=VALUE,VALUE")
    if len(set(values)) < len(values):
        raise UsageError(f"{option} {text!r} names a value twice", "name each once; --repeat repeats runs")
    return name, values


def _braced(name: str) -> str:
    return "{" + name + "}"
