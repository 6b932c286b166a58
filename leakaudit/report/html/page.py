"""The page as one file: styles, scripts and data within it, and a policy that lets nothing else run or load."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import leakaudit
from leakaudit.report.style import printable

#: After what a long name may go on in the next line.
_PART_END = re.compile(r"(?<=[./_])(?=[^./_])")

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from leakaudit.report.html.model import Page


def write_page(page: Page) -> str:
    """Return the page as HTML."""
    from markupsafe import Markup

    charts = [chart for panel in page.panels for chart in panel.charts]
    styles = [_asset("vendor/uPlot.min.css")] * bool(charts) + [_asset("page.css")]
    scripts = [_asset("vendor/uPlot.iife.min.js")] * bool(charts) + [_asset("page.js")]
    return _template().render(
        page=page,
        version=leakaudit.__version__,
        policy=policy(styles, scripts),
        styles=[Markup(style) for style in styles],  # noqa: S704  our own files
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        data=Markup(embedded([chart.data() for chart in charts])),  # noqa: S704  escaped by `embedded`
    )


def policy(styles: list[str], scripts: list[str]) -> str:
    """Return the content security policy under which only these may run."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {' '.join(map(_hash, styles))}",
            f"script-src {' '.join(map(_hash, scripts))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def embedded(data: object) -> str:
    """Return data as JSON that cannot end the element that it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def prose(text: str) -> Markup:
    """Return a message as HTML: what stands in single backticks in it becomes code."""
    from markupsafe import Markup

    parts = printable(text).split("`")
    if len(parts) % 2 == 0:
        parts = [printable(text)]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def breakable(text: str) -> Markup:
    """Return a dotted name or a path as HTML that breaks where its parts end."""
    from markupsafe import Markup

    return Markup("<wbr>").join(_PART_END.split(printable(text)))


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Surrogates cannot be written, and what reverses the direction of text would lie about a name.
    environment.finalize = lambda value: printable(value) if type(value) is str else value
    environment.filters |= {"prose": prose, "breakable": breakable}
    return environment.get_template("page.html.j2")
