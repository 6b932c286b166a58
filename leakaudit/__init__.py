"""leakaudit: find the container that makes a Python service grow."""

from leakaudit.marking import mark

__all__ = ["mark"]
__version__ = "0.1.0"
