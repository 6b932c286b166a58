"""The parts of the HTML report that need no browser: chart data, paths as trees, source excerpts, escaping, policy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from report_samples import HITS, HOSTILE, LISTENERS, RUNTIME, SCAN, source_line

from leakaudit.findings.fleet import together
from leakaudit.findings.report import Outlook, Report, Series
from leakaudit.report import View
from leakaudit.report.html import render
from leakaudit.report.html.charts import MOST_LINES, Chart, Line, containers, of_process, of_processes, thin
from leakaudit.report.html.model import Page, Panel, page_of
from leakaudit.report.html.page import breakable, embedded, prose, write_page
from leakaudit.report.html.paths import DEEPEST, tree
from leakaudit.report.html.said import curve
from leakaudit.report.html.source import excerpts

VIEW = View(source_line=source_line)


class Elements(HTMLParser):
    """The inline scripts and styles, and every address that an element names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self.addresses: list[str] = []
        self.policy = ""
        self._within: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.addresses += [values[name] or "" for name in ("src", "href", "action", "data") if name in values]
        assert not [name for name in values if name.startswith("on") or name == "style"]
        self._within = tag if tag in self.inline and "json" not in (values.get("type") or "") else None
        if self._within:
            self.inline[tag].append("")
        if tag == "meta" and values.get("http-equiv"):
            self.policy = values["content"] or ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self.inline[self._within][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._within = None


@pytest.mark.parametrize("report", [SCAN, RUNTIME, HOSTILE], ids=["scan", "runtime", "hostile"])
def test_the_policy_names_every_script_and_style_and_nothing_else(report: Report) -> None:
    page = Elements(render(report, VIEW))
    assert page.policy.startswith("default-src 'none'; ")
    for kind in ("script", "style"):
        hashes = [
            base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.inline[kind]
        ]
        (listed,) = re.findall(rf"{kind}-src ([^;]+)", page.policy)
        assert listed.split() == [f"'sha256-{digest}'" for digest in hashes]


@pytest.mark.parametrize("report", [SCAN, RUNTIME, HOSTILE], ids=["scan", "runtime", "hostile"])
def test_nothing_is_loaded_from_anywhere(report: Report) -> None:
    assert set(Elements(render(report, VIEW)).addresses) <= {"data:,", "#findings"}


def test_a_page_without_curves_goes_without_the_chart_library() -> None:
    assert "uPlot" not in render(SCAN, VIEW).replace("new uPlot(", "")
    assert len(render(SCAN, VIEW)) < 50_000


def test_data_cannot_end_its_element() -> None:
    text = embedded(["</script><!--", "&"])
    assert not set("<>&") & set(text)
    assert json.loads(text) == ["</script><!--", "&"]


def test_a_chart_is_aligned_over_the_times_of_all_its_lines() -> None:
    chart = Chart("t", "bytes", (Line("a", ((0, 1), (2, 3))), Line("b", ((1, 5),), overlay=True)))
    assert chart.data() == {
        "unit": "bytes",
        "stacked": False,
        "times": [0, 1, 2],
        "marks": [],
        "lines": [
            {"label": "a", "overlay": False, "values": [1, None, 3]},
            {"label": "b", "overlay": True, "values": [None, 5, None]},
        ],
    }


def test_long_series_keep_their_peaks() -> None:
    points = [(float(n), 1000.0 if n == 31_337 else float(n % 7)) for n in range(50_000)]
    kept = thin(points, 500)
    assert len(kept) <= 502
    assert (31_337.0, 1000.0) in kept
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert thin(points[:500], 500) == tuple(points[:500])


def test_a_process_has_a_chart_of_its_memory_its_containers_and_each_other_series() -> None:
    assert RUNTIME.runtime is not None
    charts = of_process(RUNTIME.runtime, RUNTIME.findings)
    assert [chart.title for chart in charts] == [
        "Resident memory",
        "Entries of growing containers",
        "Threads",
        "Open descriptors",
    ]
    assert [line.label for line in charts[1].lines] == [HITS.symbol]
    assert charts[0].stacked
    assert [(line.label, line.overlay) for line in charts[0].lines] == [
        ("programs and libraries", False),
        ("main heap", False),
        ("rss", True),
    ]


def test_only_so_many_containers_as_an_eye_can_tell_apart() -> None:
    grown = next(f for f in RUNTIME.findings if f.verdict and f.verdict.share == 0.66)
    chart = containers([replace(grown, symbol=f"m.c{n}") for n in range(20)])
    assert len(chart.lines) == MOST_LINES
    assert "of 20" in chart.note


def test_paths_share_their_beginning() -> None:
    (root,) = tree(
        [
            (("module a", "x", "dict"), "bytes"),
            (("module a", "x", "y", "list"), "str"),
            (("module a", "x"), "int"),
        ]
    )
    assert root.steps == ("module a", "x")
    assert root.held == ("int",)
    assert [(node.steps, node.held) for node in root.branches] == [
        (("dict",), ("bytes",)),
        (("y", "list"), ("str",)),
    ]
    assert tree([((), "nothing known")]) == ()
    (deep,) = tree([(tuple(f"s{n}" for n in range(5000)), "x")])
    assert len(deep.steps) == DEEPEST


def test_an_excerpt_marks_the_span_and_carries_the_labels() -> None:
    first, second = excerpts(HITS, source_line)
    assert (first.path, second.path) == ("server/limits.py", "routes/auth.py")
    row = first.rows[0]
    assert (row.number, row.before, row.marked, row.primary) == (41, "", "_hits:"[:5], True)
    assert row.labels == ("created here, module level: lives until the process ends",)
    assert [row.gap for row in first.rows] == [False, True, False]


def test_an_excerpt_of_a_file_that_cannot_be_read_has_the_labels_alone() -> None:
    (only, _) = excerpts(HITS, lambda path, line: None)
    assert [(row.number, row.before + row.marked + row.after) for row in only.rows] == [
        (41, ""),
        (57, ""),
        (58, ""),
    ]


def test_curves_fit_their_box() -> None:
    pairs = [pair.split(",") for pair in curve([(0, 5), (10, 9), (20, 7)]).split()]
    assert pairs == [["0.0", "22.0"], ["50.0", "2.0"], ["100.0", "12.0"]]
    assert curve([(0, 3), (1, 3)]) == "0.0,22.0 100.0,22.0"
    assert curve([(0, 1)]) == ""


def test_backticks_become_code_and_nothing_else_becomes_markup() -> None:
    assert prose("`a<b>` is <i>") == "<code>a&lt;b&gt;</code> is &lt;i&gt;"
    assert prose("one ` <b>") == "one ` &lt;b&gt;"
    assert breakable("a.b_c<d>/e.py") == "a.<wbr>b_<wbr>c&lt;d&gt;/<wbr>e.<wbr>py"


def test_several_processes_share_a_card_for_each_finding() -> None:
    assert RUNTIME.runtime is not None
    other = replace(RUNTIME, runtime=replace(RUNTIME.runtime, pid=4243))
    page = page_of(together((RUNTIME, other)), VIEW)
    assert [panel.title for panel in page.panels] == ["All processes", "Process 4242", "Process 4243"]
    (memory,) = page.panels[0].charts
    assert memory.title == "Resident memory of all processes"
    assert [line.label for line in memory.lines] == ["4242", "4243"]
    assert len(page.cards) == len(RUNTIME.findings)
    card = page.cards[0]
    assert [said.process for said in card.each] == ["4242", "4243"]
    assert card.said is not None
    assert (card.said.gain, card.each[0].gain) == ("76.4/s", "38.2/s")
    assert page.title == "2 processes"


def test_of_many_processes_those_that_gained_most_are_drawn_together() -> None:
    assert RUNTIME.runtime is not None
    rss = Series("rss", "bytes", 0.0, 1.0, 1.0, "", ((0.0, 0.0), (1.0, 1.0)))
    audits = [
        (str(n), replace(RUNTIME.runtime, series=(replace(rss, last=float(n)),)))
        for n in range(2 * MOST_LINES)
    ]
    (chart,) = of_processes(audits)
    assert [line.label for line in chart.lines] == [str(2 * MOST_LINES - 1 - n) for n in range(MOST_LINES)]
    assert chart.note == f"the {MOST_LINES} of {2 * MOST_LINES} that gained most"
    assert of_processes(audits[:1]) == ()


def test_marks_and_the_outlook_are_told() -> None:
    assert RUNTIME.runtime is not None
    told = replace(
        RUNTIME.runtime,
        marks=((1.0, "round 1 <b>"), (2.5, "round 2")),
        outlook=(Outlook("the limit of the cgroup", 2**30, 7200.0, 3600.0, 10800.0),),
    )
    page = page_of(replace(RUNTIME, runtime=told), VIEW)
    (panel,) = page.panels
    assert panel.marks[0] == ("1 s", "round 1 <b>")
    assert "the limit of the cgroup" in panel.outlook[0]
    assert panel.charts[0].data()["marks"] == [1.0, 2.5]
    assert "round 1 &lt;b&gt;" in write_page(page)


def test_a_process_that_nobody_went_into_has_no_pauses() -> None:
    assert RUNTIME.runtime is not None
    outside = replace(RUNTIME, runtime=replace(RUNTIME.runtime, python="", method="passive"))
    labels = [label for label, _ in page_of(outside, VIEW).facts]
    assert labels == ["heap growth", "watched", "method"]


def test_a_comparison_is_panels_without_findings() -> None:
    lines = tuple(Line(name, ((0.0, 1.0), (1.0, 2.0))) for name in ("default", "MALLOC_ARENA_MAX=2"))
    page = Page("Two settings", panels=(Panel("", charts=(Chart("Memory", "bytes", lines, wide=True),)),))
    text = write_page(page)
    assert "Two settings" in text
    assert "MALLOC_ARENA_MAX=2" in text


def test_what_is_certain_stands_first_and_what_is_suppressed_last() -> None:
    page = page_of(SCAN, VIEW)
    assert [card.confidence for card in page.cards[:2]] == ["high", "medium"]
    assert [card.status for card in page.cards] == ["not watched", "not watched", "suppressed", "suppressed"]
    assert page.cards[0].open
    assert page.cards[1].symbol == LISTENERS.symbol
