"""leakaudit: find the container that makes a Python service grow."""

__version__ = "0.1.0"
