"""Load the rules, by path: the built-in folder and any that --rules names are plug-ins alike."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from leakaudit.errors import RuleLoadError
from leakaudit.findings.report import FileError
from leakaudit.scan.rule import Rule
from leakaudit.scan.rulepage import parse_page

_USER_MODULES = "leakaudit_user_rules_"
_PACKAGE = Path(__file__).resolve().parent.parent
_BUILTIN_CODE = re.compile(r"LA\d{3}")
_USER_CODE = re.compile(r"(?!LA\d)[A-Z]+\d+")


def builtin_rules_dir() -> Path:
    """Return leakaudit/rules as shipped in a wheel, or rules/ beside the package in a checkout."""
    shipped = _PACKAGE / "rules"
    if shipped.is_dir():
        return shipped
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file():  # never site-packages/rules, which is django-rules
        return checkout / "rules"
    raise RuleLoadError(f"no rules are shipped beside {_PACKAGE}", "reinstall leakaudit")


def load_rules(extra_dirs: Iterable[str | Path] = ()) -> tuple[Rule, ...]:
    """Return one instance of every rule, sorted by code; raises RuleLoadError with file and line.

    A rule folder is code that runs: take `extra_dirs` from the command line, never from the audited project.
    """
    found = list(_load_folder(builtin_rules_dir(), "leakaudit.rules", _BUILTIN_CODE))
    for folder in dict.fromkeys(map(Path, extra_dirs)):
        digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
        if not folder.is_dir():
            raise RuleLoadError(f"--rules {folder} is not a folder", "name a folder that holds rule files")
        before = len(found)
        found += _load_folder(folder, f"{_USER_MODULES}{digest}", _USER_CODE)
        if len(found) == before:
            raise RuleLoadError(f"--rules {folder} holds no rule", "one class derived from Rule per .py file")
    if not found:
        raise RuleLoadError(f"no rules in {builtin_rules_dir()}", "reinstall leakaudit")
    _refuse_doubles(found)
    return tuple(sorted((cls() for cls in found), key=lambda rule: rule.code))


def failure_of(rule: Rule, error: Exception, path: str) -> FileError:
    """Return what a report says of a rule that failed, on the file at `path` or (if "") on the project."""
    place = _file(type(rule))
    line = _line_of(error, place)
    reason = f"the rule {rule.code} failed on {path or 'the project'} ({type(error).__name__}: {error})"
    return FileError(place, reason, line, rule.code)


def _load_folder(folder: Path, prefix: str, code: re.Pattern[str]) -> Iterator[type[Rule]]:
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("_"):
            rule = _rule_class(_import(path, f"{prefix}.{path.stem}"), path)
            _validate(rule, path, code)
            yield rule


def _import(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look it up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a rule file is foreign code: whatever it raises, name its line
        raise RuleLoadError(
            f"{path}:{_line_of(error, str(path))}: {type(error).__name__}: {error}"
        ) from error
    return module


def _line_of(error: Exception, path: str) -> int:
    """Return the line of a file that an error speaks of, or comes from."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or 1
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return (frames[-1].lineno or 1) if frames else 1


def _rule_class(module: ModuleType, path: Path) -> type[Rule]:
    own = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Rule) and item.__module__ == module.__name__
    ]
    if len(own) == 1:
        return own[0]
    if not own:
        raise RuleLoadError(f"{path}:1: no rule in it", "derive one class from leakaudit.scan.rule.Rule")
    names = ", ".join(cls.__name__ for cls in own)
    raise RuleLoadError(
        f"{_place(own[1], path)}: {len(own)} rules in one file ({names})", "one file per rule"
    )


def _validate(rule: type[Rule], path: Path, code: re.Pattern[str]) -> None:
    expected = path.stem.replace("_", "-")
    problem = ""
    if not code.fullmatch(rule.code):
        example = (
            "LA and three digits" if code is _BUILTIN_CODE else "capitals and digits such as ACME1, not LA"
        )
        problem = f"the code {rule.code!r} is not {example}"
    elif rule.name != expected:
        problem = f"the name is {rule.name!r}, but the file says {expected!r}"
    elif not rule.__doc__:
        problem = "no docstring, which is the rule's page"
    elif code is _BUILTIN_CODE and (missing := parse_page(rule.__doc__).missing):
        problem = f"the docstring lacks {', '.join(missing)}"
    if problem:
        raise RuleLoadError(f"{_place(rule, path)}: {problem}")


def _refuse_doubles(rules: Iterable[type[Rule]]) -> None:
    seen: dict[str, type[Rule]] = {}
    for rule in rules:
        for word in (rule.code, rule.name):
            if word in seen:
                here, there = (_place(cls, Path(_file(cls))) for cls in (rule, seen[word]))
                raise RuleLoadError(f"{here}: {word} is taken by {there}")
            seen[word] = rule


def _file(rule: type[Rule]) -> str:
    return str(sys.modules[rule.__module__].__file__)


def _place(rule: type[Rule], path: Path) -> str:
    """Return file:line of a class, by its text: inspect would cost an import and knows no more."""
    pattern = re.compile(rf"class {re.escape(rule.__name__)}\b")
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if pattern.match(line.lstrip()):
            return f"{path}:{number}"
    return f"{path}:1"
