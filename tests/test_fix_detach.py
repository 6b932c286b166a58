"""What is kept of a training step loses its graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixing import fixed, mended

TRAIN = """\
import torch


def train(model, batches, criterion):
    total = 0.0
    kept = []
    for batch, target in batches:
        output = model(batch)
        loss = criterion(output, target)
        loss.backward()
        {keep}
    return total, kept
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("total += loss  # sum", "total += loss.detach()  # sum"),
        ("total += loss * 2", "total += (loss * 2).detach()"),
        ("total += (loss * 2)", "total += (loss * 2).detach()"),
        ("total = total + loss", "total = (total + loss).detach()"),
        ("kept.append(loss)", "kept.append(loss.detach())"),
    ],
)
def test_a_loss_is_detached(app: Path, before: str, after: str) -> None:
    assert fixed(app, TRAIN.format(keep=before)) == TRAIN.format(keep=after)


@pytest.mark.parametrize(
    "text",
    [
        TRAIN.format(keep="kept.append(output)"),
        TRAIN.format(keep="total += loss").replace("loss.backward()", "loss.backward(retain_graph=True)"),
        TRAIN.format(keep="total += loss") + "\n\ndef after(total):\n    total.backward()\n",
    ],
    ids=["a model's output may be no tensor", "the graph is kept on purpose", "the sum is run backward"],
)
def test_it_is_unsafe_where_the_graph_may_be_wanted(app: Path, text: str) -> None:
    result = mended(app, text)
    assert not result.changes
    assert [finding.fix.safe for finding in result.report.shown if finding.fix] == [False]
    assert ".detach()" in fixed(app, text, unsafe=True)


def test_a_tuple_has_no_graph_of_its_own(app: Path) -> None:
    text = TRAIN.format(keep="kept.append((batch, loss))")
    result = mended(app, text, unsafe=True)
    assert result.report.shown
    assert not result.changes


def test_what_a_framework_runs_backward_may_be_a_dict(app: Path) -> None:
    text = """\
import torch


class Module:
    def __init__(self):
        self.outputs = []

    def training_step(self, batch, index):
        log = self.step(batch)
        self.outputs.append(log)
        return log
"""
    result = mended(app, text, unsafe=True)
    assert result.report.shown
    assert not result.changes
