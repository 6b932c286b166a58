"""Run code in a live CPython that never agreed to it, without harming it."""

import sys

from leakaudit.errors import AttachError

if sys.platform == "win32":
    # Nothing in here could even be imported.
    raise AttachError("a process can be attached to only on Linux", "watch it with `leakaudit monitor`")
