"""A source file as a rule's check sees it: text at once, the LibCST tree only when asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.source import read_source

if TYPE_CHECKING:
    import libcst as cst
    from libcst.metadata import MetadataWrapper


class Module:
    """One file under check. `tree` costs about nine times what the facts cost, so a rule asks for it last."""

    def __init__(self, path: str, text: str | None = None) -> None:
        self.path = path
        self._text = text

    @cached_property
    def text(self) -> str:
        """The source text; read from the file when a rule asks for it."""
        return self._text if self._text is not None else read_source(self.path).text

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The source lines without their ends; line n is at index n - 1."""
        return tuple(self.text.splitlines())

    @cached_property
    def wrapper(self) -> MetadataWrapper:
        """The LibCST tree with metadata on demand."""
        from libcst.metadata import MetadataWrapper

        return MetadataWrapper(self._parsed, unsafe_skip_copy=True)

    @property
    def tree(self) -> cst.Module:
        """The LibCST tree; raises libcst.ParserSyntaxError where LibCST is stricter than CPython."""
        return self._parsed

    @cached_property
    def _parsed(self) -> cst.Module:
        import libcst as cst

        return cst.parse_module(self.text)
