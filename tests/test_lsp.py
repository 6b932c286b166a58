"""The language server, asked by a real client over its standard streams."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

PATIENCE_S = 30.0

LEAK = '''
"""Orders."""

_seen = {}


def on_message(message):
    _seen[message.id] = message
'''

FIXABLE = """
def collect(item, into=[]):
    into.append(item)
    return into


def on_message(message):
    return collect(message)
"""


class Editor:
    """An editor: opens and edits documents of a folder, and keeps what it is told of them."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client, self.folder = client, folder
        self.told: dict[str, list[lsp.PublishDiagnosticsParams]] = {}
        self.news = asyncio.Condition()

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def told(params):
            async with self.news:
                self.told.setdefault(params.uri, []).append(params)
                self.news.notify_all()

    def uri(self, name):
        return (self.folder / name).as_uri()

    def open(self, name, version=1):
        text = (self.folder / name).read_text()
        item = lsp.TextDocumentItem(self.uri(name), "python", version, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def change(self, name, version, text):
        document = lsp.VersionedTextDocumentIdentifier(version, self.uri(name))
        changes = [lsp.TextDocumentContentChangeWholeDocument(text)]
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, changes))

    async def diagnostics(self, name, version):
        """Wait for what is told of one version."""

        def arrived():
            return [item for item in self.told.get(self.uri(name), ()) if item.version == version]

        async with self.news:
            await asyncio.wait_for(self.news.wait_for(arrived), PATIENCE_S)
        return list(arrived()[-1].diagnostics)

    async def actions(self, name, diagnostic):
        return await self.client.text_document_code_action_async(
            lsp.CodeActionParams(
                lsp.TextDocumentIdentifier(self.uri(name)),
                diagnostic.range,
                lsp.CodeActionContext([diagnostic]),
            )
        )


def session(folder, story):
    """Start the server, let a story happen, and end it as an editor does; it has to exit by itself."""

    async def run():
        client = LanguageClient("test", "1")
        await client.start_io(sys.executable, "-m", "leakaudit", "lsp")
        editor = Editor(client, folder)
        try:
            await client.initialize_async(
                lsp.InitializeParams(
                    process_id=None, root_uri=folder.as_uri(), capabilities=lsp.ClientCapabilities()
                )
            )
            client.initialized(lsp.InitializedParams())
            await asyncio.wait_for(story(editor), 3 * PATIENCE_S)
        finally:
            await client.shutdown_async(None)
            client.exit(None)
            await asyncio.wait_for(client.stop(), PATIENCE_S)

    asyncio.run(run())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "project"
    project.mkdir()
    return project


def applied(text, edits):
    """Apply edits to a text; columns are in UTF-16 units."""
    lines = text.splitlines(keepends=True)

    def offset(position):
        line = lines[position.line] if position.line < len(lines) else ""
        units = line.rstrip("\n").encode("utf-16-le")[: 2 * position.character]
        return sum(map(len, lines[: position.line])) + len(units.decode("utf-16-le"))

    for edit in sorted(edits, key=lambda item: offset(item.range.start), reverse=True):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text


def test_a_leak_is_told_while_it_is_written_and_gone_when_it_is_mended(folder):
    (folder / "orders.py").write_text(LEAK)

    async def story(editor):
        editor.open("orders.py")
        (found,) = await editor.diagnostics("orders.py", 1)
        assert (found.code, found.source, found.range.start.line) == ("LA101", "leakaudit", 3)
        assert found.range.start.character == 0
        assert any(item.location.range.start.line == 7 for item in found.related_information)
        mended = LEAK + "\n\ndef on_done(message):\n    _seen.pop(message.id, None)\n"
        editor.change("orders.py", 2, mended)
        assert await editor.diagnostics("orders.py", 2) == []

    session(folder, story)


def test_cleanup_that_goes_in_one_file_is_told_in_the_other(folder):
    (folder / "orders.py").write_text(LEAK)
    (folder / "done.py").write_text("import orders\n\n\ndef on_done(m):\n    orders._seen.pop(m.id, None)\n")

    async def story(editor):
        editor.open("orders.py")
        editor.open("done.py")
        assert await editor.diagnostics("orders.py", 1) == []
        await editor.diagnostics("done.py", 1)
        editor.told.clear()
        editor.change("done.py", 2, "import orders\n")
        await editor.diagnostics("done.py", 2)
        (found,) = await editor.diagnostics("orders.py", 1)
        assert found.code == "LA101"

    session(folder, story)


def test_only_the_newest_of_many_edits_is_looked_at(folder):
    (folder / "orders.py").write_text(LEAK)

    async def story(editor):
        editor.open("orders.py")
        await editor.diagnostics("orders.py", 1)
        for version in range(2, 42):
            editor.change("orders.py", version, LEAK + "#" * version + "\n")
        assert len(await editor.diagnostics("orders.py", 41)) == 1
        assert len(editor.told[editor.uri("orders.py")]) < 10

    session(folder, story)


def test_half_a_statement_keeps_what_was_known(folder):
    (folder / "orders.py").write_text(LEAK)

    async def story(editor):
        editor.open("orders.py")
        await editor.diagnostics("orders.py", 1)
        editor.change("orders.py", 2, LEAK + "\nif (\n")
        assert len(await editor.diagnostics("orders.py", 2)) == 1

    session(folder, story)


def test_a_fix_is_offered_and_mends_the_buffer_not_the_file(folder):
    (folder / "collect.py").write_text("x = 1\n")
    text = "# Größe 😀\n" + FIXABLE

    async def story(editor):
        editor.open("collect.py")
        await editor.diagnostics("collect.py", 1)
        editor.change("collect.py", 2, text)
        (found,) = await editor.diagnostics("collect.py", 2)
        assert found.code == "LA107"
        fix, ignore = await editor.actions("collect.py", found)
        edited = applied(text, fix.edit.document_changes[0].edits)
        assert "into=None" in edited
        editor.change("collect.py", 3, edited)
        assert await editor.diagnostics("collect.py", 3) == []
        silenced = applied(text, ignore.edit.document_changes[0].edits)
        assert "# leakaudit: ignore[LA107] " in silenced
        editor.change("collect.py", 4, silenced)
        assert await editor.diagnostics("collect.py", 4) == []

    session(folder, story)


def test_hovering_over_a_finding_shows_the_rules_page(folder):
    (folder / "orders.py").write_text(LEAK)

    async def story(editor):
        editor.open("orders.py")
        (found,) = await editor.diagnostics("orders.py", 1)
        document = lsp.TextDocumentIdentifier(editor.uri("orders.py"))
        shown = await editor.client.text_document_hover_async(lsp.HoverParams(document, found.range.start))
        assert "### LA101 unbounded-mapping" in shown.contents.value
        assert "#### Use instead" in shown.contents.value
        nothing = await editor.client.text_document_hover_async(lsp.HoverParams(document, lsp.Position(0, 0)))
        assert nothing is None

    session(folder, story)


def test_the_projects_configuration_and_comments_hold(folder):
    (folder / "pyproject.toml").write_text('[tool.leakaudit]\nignore = ["LA101"]\n')
    (folder / "orders.py").write_text(LEAK)
    (folder / "collect.py").write_text(FIXABLE.replace("[]):", "[]):  # leakaudit: ignore[LA107] a test"))

    async def story(editor):
        editor.open("orders.py")
        editor.open("collect.py")
        assert await editor.diagnostics("orders.py", 1) == []
        assert await editor.diagnostics("collect.py", 1) == []

    session(folder, story)


def test_a_wrong_configuration_is_told_and_the_server_lives(folder):
    (folder / "pyproject.toml").write_text('[tool.leakaudit]\nignor = ["LA101"]\n')
    (folder / "orders.py").write_text(LEAK)

    async def story(editor):
        said = asyncio.get_running_loop().create_future()

        @editor.client.feature(lsp.WINDOW_SHOW_MESSAGE)
        def message(params):
            said.set_result(params.message)

        editor.open("orders.py")
        assert "ignor" in await asyncio.wait_for(said, PATIENCE_S)

    session(folder, story)


def test_a_closed_document_is_as_it_stands_on_the_disk(folder):
    (folder / "orders.py").write_text(LEAK)
    (folder / "done.py").write_text("import orders\n\n\ndef on_done(m):\n    orders._seen.pop(m.id, None)\n")

    async def story(editor):
        editor.open("orders.py")
        editor.open("done.py")
        await editor.diagnostics("done.py", 1)
        editor.change("done.py", 2, "")
        await editor.diagnostics("done.py", 2)
        document = lsp.TextDocumentIdentifier(editor.uri("done.py"))
        editor.client.text_document_did_close(lsp.DidCloseTextDocumentParams(document))
        editor.change("orders.py", 2, LEAK + "\n")
        assert await editor.diagnostics("orders.py", 2) == []

    session(folder, story)
