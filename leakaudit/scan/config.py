"""`[tool.leakaudit]` of the nearest pyproject.toml, checked key by key."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeVar

from leakaudit.errors import ConfigError
from leakaudit.facts.custom import Tables
from leakaudit.findings import Confidence, Severity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a project. `root` is the folder that `exclude`, `per_file_ignores` and `baseline` start from.

    `path` is the file that was read, or "". `budgets` are passed through to who knows them.
    """

    root: str = "."
    path: str = ""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    confidence: Confidence = Confidence.MEDIUM
    severity: Mapping[str, Severity] = field(default_factory=dict)
    baseline: str = ""
    tables: Tables = field(default_factory=Tables)
    budgets: Mapping[str, object] = field(default_factory=dict)


def load_config(start: str | Path = ".") -> Config:
    """Return the settings that hold for `start`: of the nearest pyproject.toml above it that has [tool.leakaudit]."""
    folder = Path(start).absolute()
    for candidate in (folder, *folder.parents):
        path = candidate / "pyproject.toml"
        if path.is_file():
            table = _table(path)
            if table is not None:
                return read_table(table, path)
    return Config()


def read_table(table: Mapping[str, object], path: Path) -> Config:
    """Check a [tool.leakaudit] table and return it as Config; raises ConfigError."""
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in _READERS:
            import difflib

            near = difflib.get_close_matches(key.replace("_", "-"), _READERS, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(_READERS)}"
            raise ConfigError(f"{path}: unknown key `{key}` in [tool.leakaudit]", hint)
        try:
            values[key.replace("-", "_")] = _READERS[key](value)
        except _WrongTypeError as error:
            raise ConfigError(
                f"{path}: `{key}` in [tool.leakaudit] has to be {error}, not {value!r}"
            ) from error
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.cause}", error.remedy) from error
    return Config(root=str(path.parent), path=str(path), **values)  # type: ignore[arg-type]


def has_table(path: Path) -> bool:
    """Tell whether a pyproject.toml has [tool.leakaudit]; raises ConfigError where it cannot be read."""
    return _table(path) is not None


def _table(path: Path) -> Mapping[str, object] | None:
    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})", "or pass --no-config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error})", "mend it, or pass --no-config") from error
    tool = document.get("tool", {})
    table = tool.get("leakaudit") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.leakaudit has to be a table, not {table!r}")
    return table


class _WrongTypeError(Exception):
    """The text says what the value has to be."""


_Choice = TypeVar("_Choice", bound=Enum)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _WrongTypeError("a string")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise _WrongTypeError("a list of strings")
    return tuple(value)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _WrongTypeError("a table")
    return value


def _choice(kind: type[_Choice]) -> Callable[[object], _Choice]:
    def read(value: object) -> _Choice:
        try:
            return kind(value)
        except ValueError:
            raise _WrongTypeError(" or ".join(f'"{item.value}"' for item in kind)) from None

    return read


def _per_file(value: object) -> Mapping[str, tuple[str, ...]]:
    try:
        return {pattern: _texts(codes) for pattern, codes in _mapping(value).items()}
    except _WrongTypeError:
        raise _WrongTypeError('a table such as {"tests/**" = ["LA101"]}') from None


def _severities(value: object) -> Mapping[str, Severity]:
    try:
        return {rule: _choice(Severity)(level) for rule, level in _mapping(value).items()}
    except _WrongTypeError:
        raise _WrongTypeError('a table such as {LA101 = "error"}, of error, warning or info') from None


_READERS: dict[str, Callable[[object], object]] = {
    "select": _texts,
    "ignore": _texts,
    "per-file-ignores": _per_file,
    "exclude": _texts,
    "confidence": _choice(Confidence),
    "severity": _severities,
    "baseline": _text,
    "tables": lambda value: Tables().extended(_mapping(value)),
    "budgets": _mapping,
}
