"""Which rules run: selectors are codes, names, the family's digits (LA1) or ALL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from leakaudit.errors import UsageError

if TYPE_CHECKING:
    from leakaudit.scan.rule import Rule


def select_rules(
    rules: Iterable[Rule], select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> tuple[Rule, ...]:
    """Return the rules that `select` names (all, if it is empty) less those that `ignore` names; raises UsageError."""
    rules = tuple(rules)
    for selector in (*select, *ignore):
        if not any(matches(selector, rule.code, rule.name) for rule in rules):
            raise unknown_rule(selector, rules)
    chosen = tuple(
        rule
        for rule in rules
        if (not select or _any(select, rule.code, rule.name)) and not _any(ignore, rule.code, rule.name)
    )
    if not chosen:
        raise UsageError("no rule is left to run", "select more, or ignore less")
    return chosen


def matches(selector: str, code: str, name: str) -> bool:
    """Tell whether a selector means the rule of this code and name."""
    if selector in {"ALL", name, name.replace("-", "_")}:
        return True
    upper = selector.upper()
    return upper[-1:].isdigit() and code.startswith(upper)


def unknown_rule(selector: str, rules: Iterable[Rule]) -> UsageError:
    """Return the error for a selector that no rule answers to, with the nearest codes and names."""
    import difflib

    words = [word for rule in rules for word in (rule.code, rule.name)]
    near = difflib.get_close_matches(selector, words, 3, 0.5) or difflib.get_close_matches(
        selector.upper(), words, 3, 0.5
    )
    hint = f"did you mean {' or '.join(near)}?" if near else "see `leakaudit explain` for all rules"
    return UsageError(f"unknown rule `{selector}`", hint)


def _any(selectors: Iterable[str], code: str, name: str) -> bool:
    return any(matches(selector, code, name) for selector in selectors)
