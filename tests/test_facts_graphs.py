"""Which additions in a training loop keep the autograd graph of a step."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract


def found(body: str, before: str = "total = 0", imports: str = "import torch") -> list[tuple[str, str]]:
    """Return (owner, how) for a loop that computes `loss`, runs it backward and then does `body`."""
    text = f"""
{imports}

def train(self, model, batches, criterion):
    {before}
    for x, y in batches:
        output = model(x)
        loss = criterion(output, y)
        loss.backward()
        {body}
"""
    return sorted((g.owner, g.how) for g in extract(text).graphs)


@pytest.mark.parametrize(
    ("body", "owner", "how"),
    [
        ("total += loss", "total", "sum"),
        ("total = total + loss", "total", "sum"),
        ("total = 0.9 * total + 0.1 * loss", "total", "sum"),
        ("total.append(loss)", "total", "append"),
        ("total.append((x, loss.cpu()))", "total", "append"),
        ("total.append({'loss': loss})", "total", "append"),
        ("total.append(output)", "total", "append"),
        ("total += loss.mean()", "total", "sum"),
    ],
)
def test_what_keeps_the_graph(body: str, owner: str, how: str) -> None:
    assert found(body) == [(f"l:train.{owner}", how)]


@pytest.mark.parametrize(
    "body",
    [
        "total += loss.item()",
        "total += float(loss)",
        "total += loss.detach()",
        "total += loss.data",
        "total += loss.detach().cpu()",
        "total.append(y)",
        "total += 1",
        "step = []; step.append(loss)",
        "with torch.no_grad(): total += loss",
    ],
)
def test_what_does_not(body: str) -> None:
    assert found(body) == []


def test_building_the_loss_is_not_keeping_it() -> None:
    assert found("part = 0; part += loss; whole = part / 2; whole.backward()") == []


def test_a_file_without_a_training_framework_is_not_looked_at() -> None:
    assert found("total += loss", imports="import numpy") == []


def test_a_training_step_keeps_what_it_returns() -> None:
    text = """
import lightning

class Module:
    def training_step(self, batch):
        loss, out = self.step(batch)
        self.outputs.append(loss)
        return {"loss": loss}

    def validation_step(self, batch):
        loss, out = self.step(batch)
        self.outputs.append(loss)
        return {"loss": loss}
"""
    (graph,) = extract(text).graphs
    assert (graph.owner, graph.line, graph.step) == ("i:Module.outputs", 7, 5)


def test_module_code_and_scaled_losses() -> None:
    text = """
import torch
total = 0
for batch in load():
    losses = model(batch)
    scaler.scale(losses[0]).backward()
    total += losses[0]
"""
    (graph,) = extract(text).graphs
    assert (graph.owner, graph.func, graph.line, graph.step) == ("m:total", -1, 7, 6)


def test_a_function_under_no_grad_keeps_nothing() -> None:
    assert not extract("""
import torch

@torch.no_grad()
def f(batches, model):
    total = 0
    for batch in batches:
        loss = model(batch)
        loss.backward()
        total += loss
""").graphs


def test_a_loss_scaled_by_a_context_manager() -> None:
    assert found("with amp.scale_loss(loss, x) as scaled: scaled.backward(); total += loss") != []


@pytest.mark.parametrize(
    ("returned", "kept"), [("loss", True), ("{'loss': loss}", True), ("loss.item()", False), ("x", False)]
)
def test_a_step_may_return_the_graph_to_its_caller(returned: str, kept: bool) -> None:
    text = f"""
import torch

class Trainer:
    def train_batch(self, x):
        loss = self.model(x)
        loss.backward()
        return {returned}

    def train(self, batches):
        total = 0
        for x in batches:
            result = self.train_batch(x)
            total += result
        return total

    def fit(self, batches):
        history = []
        for x in batches:
            history.append(self.train_batch(x))
        return history
"""
    owners = [g.owner for g in extract(text).graphs]
    assert owners == (["l:Trainer.train.total", "l:Trainer.fit.history"] if kept else [])
