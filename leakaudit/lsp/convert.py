"""Findings in the words of the Language Server Protocol."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

from lsprotocol import types as lsp
from pygls.uris import from_fs_path
from pygls.workspace import PositionCodec, TextDocument

from leakaudit.findings import Finding, Location, Severity
from leakaudit.lsp.project import Offer
from leakaudit.scan.rule import Rule
from leakaudit.scan.rulepage import parse_page

SOURCE = "leakaudit"
_SEVERITIES = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.INFO: lsp.DiagnosticSeverity.Information,
}


def diagnostic(finding: Finding, lines: Sequence[str], codec: PositionCodec) -> lsp.Diagnostic:
    """Return a finding as a diagnostic of the document with these lines; related places in it are exact."""
    helps = "".join(f"\nhelp: {item}" for item in finding.help)
    return lsp.Diagnostic(
        range=span(finding.location, lines, codec),
        message=f"{finding.message} ({finding.confidence.value} confidence){helps}",
        severity=_SEVERITIES[finding.severity],
        code=finding.rule,
        source=SOURCE,
        related_information=[
            lsp.DiagnosticRelatedInformation(
                lsp.Location(
                    uri_of(item.location.path),
                    span(item.location, lines if item.location.path == finding.location.path else (), codec),
                ),
                item.message,
            )
            for item in finding.related
        ],
        data=finding.fingerprint,
    )


def uri_of(path: str) -> str:
    """Return the URI of an absolute path."""
    return from_fs_path(path) or path


def span(location: Location, lines: Sequence[str], codec: PositionCodec) -> lsp.Range:
    """Return a location as a range: lines and columns from 0, columns in the client's units."""
    first = location.line - 1
    last = first if location.end_line is None else location.end_line - 1
    start = lsp.Position(first, _characters(lines, first, location.column - 1))
    if location.end_column is None:
        end = lsp.Position(first, len(lines[first].rstrip("\r\n")) if first < len(lines) else start.character)
    else:
        end = lsp.Position(last, _characters(lines, last, location.end_column - 1))
    return codec.range_to_client_units(list(lines), lsp.Range(start, end)) if lines else lsp.Range(start, end)


def _characters(lines: Sequence[str], line: int, column: int) -> int:
    """Return how many characters a number of bytes at the start of a line are."""
    if line >= len(lines) or lines[line].isascii():
        return column
    return len(lines[line].encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore"))


def quick_fix(offer: Offer, diagnostic: lsp.Diagnostic, document: TextDocument) -> lsp.CodeAction:
    """Return a fix as a code action on a document as it is now."""
    return lsp.CodeAction(
        title=f"{offer.title}{'' if offer.safe else ' (may change behaviour)'}",
        kind=lsp.CodeActionKind.QuickFix,
        diagnostics=[diagnostic],
        is_preferred=offer.safe,
        edit=_workspace_edit(document, list(_text_edits(offer, document))),
    )


def ignore_here(finding: Finding, diagnostic: lsp.Diagnostic, document: TextDocument) -> lsp.CodeAction:
    """Return the code action that writes a comment which silences a finding, with room for the reason."""
    lines, line = document.lines, finding.location.line - 1
    width = len(lines[line].rstrip("\r\n")) if line < len(lines) else 0
    end = document.position_codec.position_to_client_units(lines, lsp.Position(line, width))
    comment = lsp.TextEdit(lsp.Range(end, end), f"  # leakaudit: ignore[{finding.rule}] why it is fine")
    return lsp.CodeAction(
        title=f"Ignore {finding.rule} here, with a reason",
        kind=lsp.CodeActionKind.QuickFix,
        diagnostics=[diagnostic],
        edit=_workspace_edit(document, [comment]),
    )


def _workspace_edit(document: TextDocument, edits: list[lsp.TextEdit]) -> lsp.WorkspaceEdit:
    target = lsp.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(target, list(edits))])


def _text_edits(offer: Offer, document: TextDocument) -> Iterable[lsp.TextEdit]:
    data = document.source.encode("utf-8", "surrogatepass")
    for start, end, new in offer.edits:
        places = [_position(data, offset) for offset in (start, end)]
        span = document.position_codec.range_to_client_units(document.lines, lsp.Range(*places))
        yield lsp.TextEdit(span, new)


def _position(data: bytes, offset: int) -> lsp.Position:
    before = data[:offset].removeprefix(codecs.BOM_UTF8)
    line_start = before.rfind(b"\n") + 1
    return lsp.Position(before.count(b"\n"), len(before[line_start:].decode("utf-8", "surrogatepass")))


def page(rule: Rule) -> str:
    """Return a rule's page as Markdown."""
    read = parse_page(rule.__doc__ or "")
    parts = [f"### {rule.code} {rule.name}", read.summary]
    parts += [f"#### {heading}\n\n{text}" for heading, text in read.sections]
    return "\n\n".join(parts)
