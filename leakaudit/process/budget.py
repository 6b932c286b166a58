"""Budgets: how much memory processes may hold, and whether they kept to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leakaudit.errors import UsageError
from leakaudit.process.naming import normal

TOTAL = "total"
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b?)\s*", re.IGNORECASE)
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` bytes for each process called `name`, or for all of them together.

    `total` alone means all processes that are monitored, together.
    """

    name: str
    limit: float
    together: bool = False

    @property
    def text(self) -> str:
        """The budget's name as the user wrote it."""
        return f"{self.name}/{TOTAL}" if self.together and self.name != TOTAL else self.name


@dataclass(frozen=True, slots=True)
class Overrun:
    """A budget that was exceeded: by whom (a label, "" for a sum), since when, and by how much at most."""

    budget: Budget
    who: str
    since: float
    largest: float


def parse_size(text: str) -> float:
    """Return bytes of `800MB` (powers of 1000), `1.5GiB` or `2G` (powers of 1024); raises UsageError."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"`{text}` is not a size", "write a number and a unit, such as 800MB, 1.5GiB or 2G")
    number, prefix, rest = match.groups()
    base = 1000 if prefix and rest.lower() == "b" else 1024
    return float(number) * float(base ** POWERS[prefix.lower()])


def parse_budget(text: str) -> Budget:
    """Return the budget of `server=1.5GB`, `node/total=4GB` or `total=6GB`; raises UsageError."""
    name, equals, size = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"`{text}` is not a budget", "write NAME=SIZE, such as server=1.5GB or total=6GB")
    return _budget(name.strip(), parse_size(size))


def read_budgets(table: Mapping[str, object]) -> tuple[Budget, ...]:
    """Return the budgets of `[tool.leakaudit.budgets]`, where a size is text or a number of bytes."""
    budgets = []
    for name, size in table.items():
        if isinstance(size, bool) or not isinstance(size, str | int | float):
            raise UsageError(f"the budget `{name}` has to be a size, not {size!r}", 'write it as "1.5GB"')
        budgets.append(_budget(name, parse_size(size) if isinstance(size, str) else float(size)))
    return tuple(budgets)


def _budget(name: str, limit: float) -> Budget:
    owner, slash, rest = name.partition("/")
    if slash and rest != TOTAL:
        raise UsageError(f"`{name}` is not the name of a budget", f"write NAME, NAME/{TOTAL} or {TOTAL}")
    return Budget(owner, limit, together=bool(slash) or owner == TOTAL)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a process holds at one moment, and the names by which a budget may mean it."""

    label: str
    names: frozenset[str]
    bytes: float


class Ledger:
    """Compares what processes hold with their budgets, moment after moment."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self.budgets = tuple(budgets)
        self._met: set[Budget] = set()
        self._overruns: dict[tuple[Budget, str], Overrun] = {}

    @property
    def overruns(self) -> tuple[Overrun, ...]:
        """Every budget that was exceeded, by each who exceeded it."""
        return tuple(self._overruns.values())

    @property
    def unmet(self) -> tuple[Budget, ...]:
        """Budgets whose name no process ever had."""
        return tuple(budget for budget in self.budgets if budget not in self._met)

    def check(self, now: float, holdings: Iterable[Holding]) -> None:
        """Take what all processes hold at `now`."""
        held = tuple(holdings)
        for budget in self.budgets:
            mine = [h for h in held if budget.name == TOTAL or normal(budget.name) in h.names]
            if not mine:
                continue
            self._met.add(budget)
            amounts = (
                [("", sum(h.bytes for h in mine))] if budget.together else [(h.label, h.bytes) for h in mine]
            )
            for who, amount in amounts:
                if amount > budget.limit:
                    self._overrun(budget, who, now, amount)

    def _overrun(self, budget: Budget, who: str, now: float, amount: float) -> None:
        known = self._overruns.get((budget, who))
        since, largest = (known.since, max(known.largest, amount)) if known else (now, amount)
        self._overruns[budget, who] = Overrun(budget, who, since, largest)
