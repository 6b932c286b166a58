"""What the exit code means, whatever the command and the format."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 clean, 1 findings or growth at or above the threshold, 2 the job could not be done; 130 interrupted."""

    CLEAN = 0
    FINDINGS = 1
    FAILED = 2
    INTERRUPTED = 130
