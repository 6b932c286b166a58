"""A source file as a rule sees it: text at once, the LibCST tree only when asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from leakaudit.errors import SourceError
from leakaudit.findings import Fix, Location
from leakaudit.source import SourceFile, read_source

if TYPE_CHECKING:
    import libcst as cst
    from libcst.metadata import CodeRange, MetadataWrapper


class Module:
    """One file under check. `tree` costs about nine times what the facts cost, so a rule asks for it last."""

    def __init__(self, path: str, source: SourceFile | None = None) -> None:
        self.path = path
        self._source = source

    @cached_property
    def source(self) -> SourceFile:
        """The file as read; raises SourceError."""
        return self._source if self._source is not None else read_source(self.path)

    @property
    def text(self) -> str:
        """The source text; read from the file when a rule asks for it."""
        return self.source.text

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The source lines without their ends, as a parser counts them; line n is at index n - 1."""
        return tuple(self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))

    @cached_property
    def wrapper(self) -> MetadataWrapper:
        """The LibCST tree with metadata on demand."""
        from libcst.metadata import MetadataWrapper

        return MetadataWrapper(self.tree, unsafe_skip_copy=True)

    @cached_property
    def tree(self) -> cst.Module:
        """The LibCST tree; raises SourceError where LibCST is stricter than CPython."""
        import libcst as cst

        try:
            return cst.parse_module(self.text)
        except (cst.ParserSyntaxError, RecursionError) as error:
            reason = error.message if isinstance(error, cst.ParserSyntaxError) else "nested too deeply"
            raise SourceError(f"LibCST cannot parse it ({reason})") from error

    def location(self, node: cst.CSTNode) -> Location:
        """Return where a node of the tree stands."""
        span = self._spans[node]
        return Location(
            self.path,
            span.start.line,
            self._bytes(span.start.line, span.start.column) + 1,
            span.end.line,
            self._bytes(span.end.line, span.end.column) + 1,
        )

    def node_at(self, place: Location, *kinds: type[Any]) -> Any:
        """Return the node of one of these kinds that starts at a place, the outermost of several; None without one."""
        found = [
            (span.end.line, span.end.column, node)
            for node, span in self._spans.items()
            if span.start.line == place.line
            and isinstance(node, kinds)
            and self._bytes(place.line, span.start.column) == place.column - 1
        ]
        return max(found, key=lambda item: item[:2], default=(0, 0, None))[2]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Return what a node of the tree is a direct part of."""
        from libcst.metadata import ParentNodeProvider

        return self.wrapper.resolve(ParentNodeProvider).get(node)

    def fix(self, description: str, tree: cst.Module, *, safe: bool) -> Fix | None:
        """Return what turns the file into `tree`, a changed copy of the module's own; None if nothing changes.

        None as well where the tree does not hold every byte of the text: LibCST loses a form feed before a statement.
        """
        from leakaudit.scan.edits import between

        if self.tree.code != self.text:
            return None
        edits = between(self.source, tree.code)
        return Fix(description, safe, edits) if edits else None

    @cached_property
    def _spans(self) -> dict[cst.CSTNode, CodeRange]:
        from libcst.metadata import PositionProvider

        return dict(self.wrapper.resolve(PositionProvider))

    def _bytes(self, line: int, column: int) -> int:
        """Columns are counted in bytes of UTF-8, as `ast` counts them."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return column if text.isascii() else len(text[:column].encode())
