"""Kinds of values that several commands take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


if TYPE_CHECKING:
    _Base = click.ParamType[float]
    _WholeBase = click.ParamType[int]
else:
    _Base = _WholeBase = click.ParamType  # generic from click 8.4 on only


class Duration(_Base):
    """A time such as `500ms`, `30s`, `5m`, `1.5h`; a bare number is seconds. Never zero."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip())
        seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is not a time; write 500ms, 30s, 5m or 1.5h", param, ctx)
        return seconds


class Pid(_WholeBase):
    """The number of a process."""

    name = "PID"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        text = str(value).strip()
        if not re.fullmatch(r"0*[1-9][0-9]*", text):
            self.fail(f"{value!r} is not the number of a process; see `ps -e`", param, ctx)
        return int(text)


DURATION = Duration()
PID = Pid()
