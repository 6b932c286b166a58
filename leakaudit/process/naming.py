"""What to call a process, and which group it belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

NUMBERED = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z-]*(?:_[A-Za-z-]+)*[_-])\d+")
IDENTITY = re.compile(r"name|node|worker|client|shard|rank|host|(?<![a-z])id", re.IGNORECASE)
PLAIN_STEMS = frozenset({"__main__", "main", "app", "run", "manage", "wsgi", "asgi", "start", "cli"})
INTERPRETER = re.compile(r"(?:python|pypy)[\d.]*t?(?:\.exe)?")
WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


def label(command: Sequence[str], name: str) -> str:
    """Return a short name for a process: a numbered argument (`agg_0`), else its script, module or program.

    `name` is what the kernel calls it, for a process without a command line.
    """
    if not command:
        return name
    program = PurePath(command[0]).name
    if not INTERPRETER.fullmatch(program):
        title = program.partition(":")[0].split()  # as setproctitle writes it: "gunicorn: worker [shop]"
        return _numbered(command) or (title[0] if title else name)
    return _numbered(command) or _python(command) or program


def group_of(text: str) -> str:
    """Return the group that a label falls into by itself: `agg_` for `agg_0`, else the label."""
    match = NUMBERED.fullmatch(text)
    return match["prefix"] if match else text


def names(command: Sequence[str], text: str) -> frozenset[str]:
    """Return every name by which a budget may mean a process: its label, group, script and folder, without plural."""
    found = {text, group_of(text), *(group_of(text).split("_"))}
    script = _script(command)
    if script:
        path = PurePath(
            script.replace(".", "/") if "/" not in script and not script.endswith(".py") else script
        )
        found |= {path.stem, path.parent.name}
    return frozenset(normal(name) for name in found if normal(name) and normal(name) not in PLAIN_STEMS)


def normal(name: str) -> str:
    """Return a name in lower case without a trailing separator or plural s."""
    bare = name.lower().rstrip("_-")
    return bare[:-1] if len(bare) > 2 and bare.endswith("s") and not bare.endswith("ss") else bare


def _numbered(command: Sequence[str]) -> str:
    # `--name agg_0`, `--node-id=agg_0` and a bare `agg_0` name the process; `--model gpt-4` does not.
    option = ""
    for argument in command[1:]:
        if argument.startswith("-"):
            option, _, value = argument.partition("=")
            value = value if IDENTITY.search(option) else ""
        else:
            value = argument if not option or IDENTITY.search(option) else ""
            option = ""
        if NUMBERED.fullmatch(value):
            return value
    return ""


def _python(command: Sequence[str]) -> str:
    script = _script(command)
    if not script:
        return ""
    path = PurePath(script)
    if script.endswith(".py") or "/" in script:
        return path.parent.name if path.stem in PLAIN_STEMS and path.parent.name else path.stem
    parts = [part for part in script.split(".") if part not in PLAIN_STEMS]  # a module
    return parts[-1] if parts else script


def _script(command: Sequence[str]) -> str:
    """Return the script's path or the module's name that an interpreter runs, "" for -c and the prompt."""
    arguments = iter(command[1:])
    for argument in arguments:
        if argument == "-m":
            return next(arguments, "")
        if argument in WITH_VALUE:
            next(arguments, None)
        elif argument == "-c" or not argument:
            return ""
        elif not argument.startswith("-"):
            return argument
    return ""
