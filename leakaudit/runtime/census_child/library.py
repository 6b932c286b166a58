"""The agent's own functions, which the census uses; they are put in when it begins."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

library: dict[str, Any] = {}
