"""The language server: diagnostics, code actions and hovers over a Project, one edit at a time."""

from __future__ import annotations

import asyncio

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from leakaudit import __version__
from leakaudit.errors import LeakAuditError
from leakaudit.findings import Finding
from leakaudit.lsp import convert
from leakaudit.lsp.project import Project

#: Seconds without a keystroke before an edit is looked at.
PAUSE_S = 0.2


class Server(LanguageServer):
    """Keeps a project, and the newest edit of each document; older edits that wait are dropped."""

    def __init__(self, rules_dirs: tuple[str, ...] = ()) -> None:
        super().__init__("leakaudit", __version__)
        self.rules_dirs = rules_dirs
        self.project: Project | None = None
        self._busy = asyncio.Lock()
        self._waiting: dict[str, asyncio.Task[None]] = {}
        _register(self)

    async def open_project(self) -> None:
        """Scan the workspace's folder, then tell what is found in the documents that are open by now."""
        root = self.workspace.root_path
        if root is None:
            return
        async with self._busy:
            try:
                self.project = await asyncio.to_thread(_loaded, root, self.rules_dirs)
            except LeakAuditError as error:
                self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, f"leakaudit: {error}"))
                return
        for uri in list(self.workspace.text_documents):
            self.look_at(uri, 0.0)

    def look_at(self, uri: str, pause_s: float = PAUSE_S) -> None:
        """Look at a document soon; whatever waited to look at an older version of it gives way."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()
        self._waiting[uri] = asyncio.get_running_loop().create_task(self._look_at(uri, pause_s))

    async def _look_at(self, uri: str, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        path = to_fs_path(uri)
        if self.project is None or path is None:
            return
        async with self._busy:
            document = self.workspace.get_text_document(uri)
            version, text = document.version, document.source
            project = self.project
            await asyncio.to_thread(project.edit, path, text)
        if uri in self.workspace.text_documents and document.version == version:
            self.tell(uri)

    def tell(self, uri: str) -> None:
        """Publish what is known of all open documents: an edit in one may bring or mend a leak in another."""
        for other, document in list(self.workspace.text_documents.items()):
            if other == uri or other not in self._waiting or self._waiting[other].done():
                diagnostics = [item for _, item in self.shown(document)]
                self.text_document_publish_diagnostics(
                    lsp.PublishDiagnosticsParams(other, diagnostics, document.version)
                )

    def shown(self, document: TextDocument) -> list[tuple[Finding, lsp.Diagnostic]]:
        """Return the findings in a document, each with its diagnostic."""
        path = to_fs_path(document.uri)
        if self.project is None or path is None:
            return []
        codec = document.position_codec
        return [
            (finding, convert.diagnostic(finding, document.lines, codec))
            for finding in self.project.findings(path)
        ]

    def forget(self, uri: str) -> None:
        """Let a document be as it stands on the disk."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
        path, project = to_fs_path(uri), self.project
        if project is not None and path is not None:
            self._waiting[uri] = asyncio.get_running_loop().create_task(self._close(uri, path, project))

    async def _close(self, uri: str, path: str, project: Project) -> None:
        async with self._busy:
            await asyncio.to_thread(project.close, path)
        self._waiting.pop(uri, None)

    async def actions(self, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        """Return the fixes of the findings in a range, and for each the comment that silences it."""
        document = self.workspace.get_text_document(params.text_document.uri)
        found: list[lsp.CodeAction] = []
        project = self.project
        if project is None:
            return found
        for finding, item in self.shown(document):
            if not _meet(item.range, params.range):
                continue
            async with self._busy:
                version = document.version
                offer = await asyncio.to_thread(project.fix, finding)
            if offer is not None and document.version == version:
                found.append(convert.quick_fix(offer, item, document))
            found.append(convert.ignore_here(finding, item, document))
        return found

    def hover(self, params: lsp.HoverParams) -> lsp.Hover | None:
        """Return the page of the rule whose finding stands at a position."""
        document = self.workspace.get_text_document(params.text_document.uri)
        here = lsp.Range(params.position, params.position)
        for finding, item in self.shown(document):
            if self.project is not None and _meet(item.range, here):
                text = convert.page(self.project.rules[finding.rule])
                return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text), item.range)
        return None


def _loaded(root: str, rules_dirs: tuple[str, ...]) -> Project:
    project = Project(root, rules_dirs)
    project.load()
    return project


def _meet(one: lsp.Range, other: lsp.Range) -> bool:
    return one.start.line <= other.end.line and other.start.line <= one.end.line


def _register(server: Server) -> None:
    @server.feature(lsp.INITIALIZED)
    async def initialized(_: lsp.InitializedParams) -> None:
        await server.open_project()

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.look_at(params.text_document.uri, 0.0)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        server.look_at(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def watched(_: lsp.DidChangeWatchedFilesParams) -> None:
        await server.open_project()

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])
    )
    async def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        return await server.actions(params)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        return server.hover(params)
