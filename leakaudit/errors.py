"""Errors that a user can cause: each text names the cause and the remedy."""

from __future__ import annotations


class LeakAuditError(Exception):
    """Base of every error that the command line turns into exit code 2.

    `cause` says what is wrong, `remedy` what to do about it; both are single sentences.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause}: {remedy}" if remedy else cause)
        self.cause = cause
        self.remedy = remedy


class UsageError(LeakAuditError):
    """The command was given something that it cannot work with."""


class ConfigError(LeakAuditError):
    """`[tool.leakaudit]` holds something that is not understood."""


class RuleLoadError(LeakAuditError):
    """A rule file cannot be loaded, or breaks the rule contract."""


class SourceError(LeakAuditError):
    """A source file cannot be read or parsed."""


class AttachError(LeakAuditError):
    """The target cannot be attached to, or the agent did not answer."""


class NotPythonError(AttachError):
    """The target runs no CPython."""


class SessionError(LeakAuditError):
    """A session file is damaged, or written by a newer version."""
