"""A comparison as an HTML page."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from click.testing import CliRunner

from leakaudit.cli.main import cli

JOB = "import os, time\nkeep = []\nfor _ in range(5):\n    keep.append(bytearray(int(os.environ['STEP']) * 100_000))\n    time.sleep(0.02)\n"


def test_all_settings_are_curves_over_each_other(tmp_path: Path) -> None:
    job, page = tmp_path / "job.py", tmp_path / "curves.html"
    job.write_text(JOB, encoding="utf-8")
    result = CliRunner().invoke(
        cli,
        [
            *(
                "compare",
                "--env",
                "STEP=1,9",
                "--every",
                "10ms",
                "--picture",
                str(page),
                "--title",
                "<Two> steps",
            ),
            *("--", sys.executable, str(job)),
        ],
    )
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert "<h1>&lt;Two&gt; steps</h1>" in text
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    (chart,) = json.loads(data)
    assert [line["label"] for line in chart["lines"]] == ["STEP=1", "STEP=9"]
    assert all(sum(value is not None for value in line["values"]) > 1 for line in chart["lines"])
    assert len(re.findall(r'<th scope="row">', text)) == 2
