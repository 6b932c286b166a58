"""The HTML report in a browser, from file://: it draws, filters, stays inert and silent, and asks nobody for anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from report_samples import HOSTILE, RUNTIME, SCAN, source_line

from leakaudit.findings.fleet import together
from leakaudit.report import View
from leakaudit.report.html import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
VIEW = View(source_line=source_line)
Opener = Callable[..., AbstractContextManager["Page"]]


@pytest.fixture(scope="module")
def browser(missing: Callable[[str], NoReturn]) -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing("no chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("no playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Opener:
    """Open a page; when it closes, it must not have complained, asked for anything, or violated its policy."""

    @contextmanager
    def open_page(text: str, width: int = 1280, **context: Any) -> Iterator[Page]:
        path = tmp_path / "report.html"
        path.write_text(text, encoding="utf-8")
        trouble: list[str] = []
        made = browser.new_context(viewport={"width": width, "height": 900}, **context)
        made.set_default_timeout(10_000)
        page = made.new_page()
        page.on("console", lambda message: trouble.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: trouble.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: _note(request.url, path.as_uri(), trouble))
        page.goto(path.as_uri())
        try:
            yield page
            assert trouble == []
        finally:
            made.close()

    return open_page


def _note(url: str, own: str, trouble: list[str]) -> None:
    if url.split("#", maxsplit=1)[0] not in (own, "data:,"):
        trouble.append(f"request: {url[:200]}")


def shown(page: Page) -> list[str]:
    return page.locator(".card:visible .symbol").all_inner_texts()


def test_it_shows_the_findings_with_their_source(opened: Opener) -> None:
    with opened(render(RUNTIME, VIEW)) as page:
        assert page.title() == "leakaudit: Process 4242"
        assert shown(page)[0] == "server.limits._hits"
        card = page.locator(".card").first
        assert "_hits: dict[str, list[float]]" in card.locator(".line.primary").inner_text()
        assert "grows here" in card.inner_text()
        assert "66 %" in card.locator("summary").inner_text()


def test_charts_have_data(opened: Opener) -> None:
    count_ink = """canvas => {
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const colors = new Set();
        for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) colors.add(data.slice(at, at + 3).join());
        return colors.size;
    }"""
    with opened(render(RUNTIME, VIEW)) as page:
        canvases = page.locator(".chart canvas").all()
        assert len(canvases) == 4
        assert all(canvas.evaluate(count_ink) > 2 for canvas in canvases)
        assert page.locator(".legend .value").all_inner_texts() == [
            "38.1 MiB",
            "62.9 MiB",
            "104 MiB",
            "3,498",
            "12",
            "41",
        ]


def test_parts_are_piled_up(opened: Opener) -> None:
    filled_from = """canvas => {
        const {width, height} = canvas;
        const {data} = canvas.getContext('2d').getImageData(width / 2, 0, 20, height);
        const full = y => Array.from({length: 20}, (_, x) => data[(y * 20 + x) * 4 + 3]).every(alpha => alpha > 200);
        for (let y = 0; y < height - 3; y += 1) if (full(y) && full(y + 1) && full(y + 2)) return y / height;
    }"""
    with opened(render(RUNTIME, VIEW)) as page:
        # 40 MB and 63 MB together reach to the top; the larger alone would fill little more than the lower half.
        assert page.locator(".chart canvas").first.evaluate(filled_from) < 0.25


def test_a_plot_is_read_by_keys_and_its_lines_are_hidden_by_buttons(opened: Opener) -> None:
    with opened(render(RUNTIME, VIEW)) as page:
        plot = page.locator(".plot").nth(1)
        plot.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.locator(".legend").nth(1).locator(".value").inner_text() == "1,396 at 5 s"
        button = page.locator(".legend").nth(1).locator("button")
        button.press("Enter")
        assert button.get_attribute("aria-pressed") == "false"


def test_filters(opened: Opener) -> None:
    with opened(render(RUNTIME, VIEW)) as page:
        everything = shown(page)
        page.keyboard.press("/")
        page.keyboard.type("EVICTS hub")
        assert shown(page) == ["server.hub.Hub.listeners"]
        assert page.locator("#shown").inner_text() == "1 of 5"
        page.keyboard.press("Escape")
        assert shown(page) == everything
        page.get_by_role("checkbox", name="confirmed").focus()
        page.keyboard.press("Space")
        assert "server.limits._hits" not in shown(page)
        page.select_option("select", "LA101")
        assert shown(page) == []
        page.get_by_role("button", name="Show all").click()
        assert shown(page) == everything


def test_a_long_list_starts_with_what_a_reader_came_for(opened: Opener) -> None:
    quiet = next(f for f in RUNTIME.findings if f.symbol.endswith("maybe"))
    many = tuple(replace(quiet, symbol=f"m.quiet{n}") for n in range(30))
    with opened(render(replace(RUNTIME, findings=(*RUNTIME.findings, *many)), VIEW)) as page:
        assert page.locator("#shown").inner_text() == "3 of 35"
        page.get_by_role("checkbox", name="not growing").check()
        assert page.locator("#shown").inner_text() == "34 of 35"
    with opened(render(replace(RUNTIME, findings=many), VIEW)) as page:
        assert page.locator("#shown").inner_text() == "30 of 30"


def test_cards_open_by_key_and_all_at_once(opened: Opener) -> None:
    with opened(render(SCAN, VIEW)) as page:
        second = page.locator(".card").nth(1)
        second.locator("summary").press("Enter")
        assert second.locator(".body").is_visible()
        page.get_by_role("button", name="Open all").click()
        assert page.locator(".card[open]").count() == 4


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_names_are_inert(opened: Opener, width: int) -> None:
    text = render(HOSTILE, VIEW)
    with opened(text, width) as page:
        page.get_by_role("button", name="Open all").click()
        assert page.locator("img, iframe, object, embed, form[action], [onerror]").count() == 0
        assert page.locator("script").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "<script>alert(1)</script>" in page.locator(".card .message").nth(1).inner_text()
        page.locator("#filters input[type=search]").fill("</script><script>")
        assert page.locator(".card:visible").count() == 1


def test_the_policy_stops_a_script_that_got_in(opened: Opener) -> None:
    text = render(SCAN, VIEW).replace("</main>", "<script>document.title = 'broken'</script></main>")
    with pytest.raises(AssertionError, match="Content Security Policy"), opened(text) as page:
        assert page.title() == "leakaudit: 2 findings"


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("report", [SCAN, RUNTIME], ids=["scan", "runtime"])
def test_nothing_is_wider_than_the_window(opened: Opener, report: Any, width: int) -> None:
    with opened(render(report, VIEW), width) as page:
        page.get_by_role("button", name="Open all").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark(opened: Opener) -> None:
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    with opened(render(RUNTIME, VIEW), color_scheme="dark") as page:
        dark = page.evaluate(paper)
        page.locator("#theme").click()
        light = page.evaluate(paper)
        assert page.locator("#theme").inner_text() == "Theme: light"
        assert dark != light
        page.reload()
        assert page.evaluate(paper) == light


def test_it_prints_with_everything_open(opened: Opener) -> None:
    with opened(render(RUNTIME, VIEW)) as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator(".card[open]").count() == 5
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator(".card[open]").count() == 1
        assert page.pdf().startswith(b"%PDF")


def test_it_can_be_read_without_scripts(opened: Opener) -> None:
    with opened(render(RUNTIME, VIEW), java_script_enabled=False) as page:
        assert len(shown(page)) == 5
        assert not page.locator("#filters").is_visible()


def test_processes_stand_side_by_side(opened: Opener) -> None:
    assert RUNTIME.runtime is not None
    workers = [replace(RUNTIME, runtime=replace(RUNTIME.runtime, pid=pid)) for pid in (10, 11)]
    with opened(render(together(workers), VIEW)) as page:
        left, right = (panel.bounding_box() for panel in page.locator(".panel:not(.wide)").all())
        assert left is not None
        assert right is not None
        assert left["y"] == right["y"]
        assert left["x"] < right["x"]
        whole = page.locator(".panel.wide").bounding_box()
        assert whole is not None
        assert whole["width"] > left["width"] + right["width"]
        assert whole["y"] < left["y"]
        assert page.locator(".card").first.locator("tbody tr th").all_inner_texts()[:2] == ["10", "11"]
