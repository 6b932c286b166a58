"""Let equal texts of many files be one object: in a large project they are two fifths of what its facts take."""

from __future__ import annotations

from typing import Any

from msgspec.structs import force_setattr

from leakaudit.facts.model import FileFacts

#: The fields that weigh: of which facts, tuples of texts, texts.
_FIELDS = (
    ("functions", ("calls", "refs", "returns", "params"), ("qualname", "cls")),
    ("events", ("key_origins", "value_origins", "guards"), ("owner", "key", "value", "method")),
    ("calls", ("args", "receiver", "guards"), ("callee", "usage")),
)


def share(facts: FileFacts, pool: dict[Any, Any]) -> None:
    """Replace what equals something in the pool by it, and put the rest there. The facts stay equal to what they were."""
    known = pool.setdefault
    for kind, tuples, texts in _FIELDS:
        for item in getattr(facts, kind):
            for name in tuples:
                value = getattr(item, name)
                if value:
                    value = tuple(map(known, value, value))
                    force_setattr(item, name, known(value, value))
            for name in texts:
                value = getattr(item, name)
                force_setattr(item, name, known(value, value))
