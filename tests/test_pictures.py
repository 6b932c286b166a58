"""The program that takes the pictures of the HTML report for the documentation."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from report_samples import RUNTIME

from leakaudit.report import View, renderer

ROOT = Path(__file__).resolve().parent.parent


def test_it_takes_them_all(tmp_path: Path, missing: Callable[[str], NoReturn]) -> None:
    if find_spec("playwright") is None or not shutil.which("chromium"):
        missing("no chromium, or no playwright")
    report = tmp_path / "report.json"
    report.write_text(renderer("json").render(RUNTIME, View()), encoding="utf-8")
    done = subprocess.run(
        (sys.executable, ROOT / "bench" / "pictures.py", "--report", report, "--into", tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    widths = {path.name: struct.unpack(">I", path.read_bytes()[16:20])[0] for path in tmp_path.glob("*.png")}
    assert len(widths) == 5
    assert all(str(width) in name for name, width in widths.items())
