"""Which run comes when."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leakaudit.process.compare.matrix import Setting


@dataclass(frozen=True, slots=True)
class Job:
    """One run: a setting, and the how manieth of its repeats (from 1)."""

    setting: Setting
    repeat: int

    @property
    def stem(self) -> str:
        """A file name without its ending: readable, and different for each job."""
        text = "+".join(f"{name}={value or 'unset'}" for name, value in self.setting.values)
        safe = re.sub(r"[^\w.=+-]+", "_", text)[:80] or "run"
        digest = hashlib.sha256(json.dumps(self.setting.values).encode()).hexdigest()[:6]
        return f"{safe}-{digest}-{self.repeat}"


def interleaved(settings: Sequence[Setting], repeats: int) -> Iterator[Job]:
    """Yield every repeat of every setting, so that what the machine does meanwhile falls on all settings alike.

    Each round runs every setting once, and starts one setting later than the round before.
    """
    for repeat in range(repeats):
        start = repeat % len(settings)
        yield from (Job(setting, repeat + 1) for setting in (*settings[start:], *settings[:start]))
