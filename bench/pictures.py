"""Take the pictures of the HTML report that the documentation shows: `make pictures`.

Runs the demo (or takes a JSON report of it), writes its page, opens it in Chromium at the width of a desk and of a
phone, in light and in dark, and saves what is seen. Nothing of this machine is in the pictures: paths are cut.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from leakaudit.report import View
from leakaudit.report.html import render
from leakaudit.report.json_v1_parse import parse

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from leakaudit.findings.report import Report

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
#: Name -> width, height, scheme, and the element at whose top the picture begins.
PICTURES = {
    "report-1280-light": (1280, 1100, "light", "body"),
    "report-1280-dark": (1280, 1100, "dark", "body"),
    "report-charts-1280-light": (1280, 800, "light", ".panels"),
    "report-390-light": (390, 1100, "light", "body"),
    "report-390-dark": (390, 1100, "dark", "body"),
}
MOST_BYTES = 200_000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--report", type=Path, help="a JSON report of the demo; without it the demo runs")
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "pictures")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no chromium here; on Debian and Ubuntu: apt-get install chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        path = args.report or demo(Path(folder))
        page = Path(folder) / "report.html"
        page.write_text(render(anonymous(parse(path.read_text(encoding="utf-8"))), View()), encoding="utf-8")
        args.into.mkdir(parents=True, exist_ok=True)
        take(chromium, page, args.into)
    large = [path.name for path in args.into.glob("report-*.png") if path.stat().st_size > MOST_BYTES]
    if large:
        print(f"larger than {MOST_BYTES:,} bytes: {', '.join(large)}", file=sys.stderr)
    return bool(large)


def demo(folder: Path) -> Path:
    """Run the demo and return its report."""
    path = folder / "report.json"
    command = (sys.executable, "-m", "leakaudit", "demo", "--format", "json", "-o", str(path))
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    return path


def anonymous(report: Report) -> Report:
    """Return the report with a command line that anybody could have typed."""
    if report.runtime is None:
        return report
    command = re.sub(r"^\S*/python\S*", "python", report.runtime.command.replace(f"{ROOT}/", ""))
    command = re.sub(r"(?<= )/\S+/(?=[^/ ]+)", "", command)
    return replace(report, runtime=replace(report.runtime, command=command))


def take(chromium: str, page: Path, into: Path) -> None:
    """Save all pictures of a page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for name in PICTURES:
            print(shot(browser, page, name, into / f"{name}.png"))
        browser.close()


def shot(browser: Browser, page: Path, name: str, path: Path) -> str:
    """Save one picture and return its name and size."""
    width, height, scheme, start = PICTURES[name]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.locator(".chart canvas").first.wait_for()
    top = max(tab.locator(start).evaluate("element => element.offsetTop") - 20, 0)
    bottom = tab.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": top, "width": width, "height": min(height, bottom - top)}
    tab.screenshot(path=str(path), full_page=True, clip=clip)
    context.close()
    return f"{path.name}: {path.stat().st_size:,} bytes"


if __name__ == "__main__":
    sys.exit(main())
