"""LA701: a training loop keeps tensors together with their autograd graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.findings import Evidence, Finding, Fix, Location, Probe, ProbeKind, Related
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.model import GraphKept
    from leakaudit.facts.project import Project

_HOW = {
    "sum": "the sum refers to the graphs of all steps before",
    "append": "each entry refers to the graph of its step",
}


class TensorGraphAccumulated(Rule):
    """A loss is summed up or collected over training steps without `.item()` or `.detach()`.

    ## What it does

    Flags a tensor on which `backward()` runs, when the same loop adds it to a sum, a moving average or a list that
    outlives the step, and when a `training_step` stores what it returns.

    ## Why it leaks

    A tensor that requires gradients refers to the graph that made it. A sum of such tensors chains the graphs of all
    steps; a list holds one for each. Memory, on the GPU too, grows with every batch.

    ## Example

        import torch

        def train(model, batches, criterion, optimizer):
            total_loss = 0.0
            for inputs, targets in batches:
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                total_loss += loss
            return total_loss / len(batches)

    ## Use instead

        import torch

        def train(model, batches, criterion, optimizer):
            total_loss = 0.0
            for inputs, targets in batches:
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                total_loss += loss.item()
            return total_loss / len(batches)

    ## What we do not flag

    Losses that are summed up first and then run backward; `.item()`, `.detach()`, `float()`, `.data`; code under
    `torch.no_grad()`; lists that each step begins anew.

    ## References

    - https://pytorch.org/docs/stable/notes/faq.html#my-model-reports-cuda-runtime-error-2-out-of-memory
    """

    code = "LA701"
    name = "tensor-graph-accumulated"
    object_types = ("torch.Tensor",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield what is kept; one suspect for each variable of a function."""
        for path, facts in project.files.items():
            seen: set[tuple[str, int]] = set()
            for graph in sorted(facts.graphs, key=lambda g: g.line):
                if (graph.owner, graph.func) not in seen:
                    seen.add((graph.owner, graph.func))
                    yield self._suspect(project, path, graph)

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Keep it without its graph."""
        from leakaudit.fixes.detach import detached

        return detached(finding, module)

    def _suspect(self, project: Project, path: str, graph: GraphKept) -> Suspect:
        name = graph.owner.rpartition(".")[2].rpartition(":")[2]
        place = Location(path, graph.line, graph.column, graph.end_line, graph.end_column)
        return Suspect(
            location=place,
            symbol=f"{project.module_name(path)}.{_qualified(graph.owner)}",
            message=f"`{name}` keeps the autograd graph of every step: `{graph.text}` is neither `.item()` nor `.detach()`",
            evidence=tuple(self._evidence(project, path, graph)),
            related=(Related(Location(path, graph.step), "the step whose graph it is"),),
            help=("add the number, `loss.item()`; or the tensor without its graph, `loss.detach()`",),
            probe=self._probe(project, path, graph.owner),
        )

    def _evidence(self, project: Project, path: str, graph: GraphKept) -> Iterator[Evidence]:
        yield Evidence("graph", graph.how, _HOW[graph.how], 4)
        if graph.owner.startswith("l:") or graph.func < 0:
            yield Evidence("loop", "training", "the loop that runs backward adds to it each time", 2)
            return
        function = project.function(path, graph.func)
        name = function.name if function is not None else "module code"
        yield Evidence("context", "step", f"`{name}` runs for every batch, and its instance outlives it", 2)

    def _probe(self, project: Project, path: str, owner: str) -> Probe:
        scope, _, rest = owner.partition(":")
        module = project.module_name(path)
        qualname, _, attribute = rest.rpartition(".")
        if scope == "i":
            return Probe(ProbeKind.INSTANCE_ATTRIBUTE, module, path, qualname, attribute, self.object_types)
        if scope == "m":
            return Probe(ProbeKind.MODULE_ATTRIBUTE, module, path, "", rest, self.object_types)
        return Probe(ProbeKind.TYPE_COUNT, module, path, object_types=self.object_types)


def _qualified(owner: str) -> str:
    scope, _, rest = owner.partition(":")
    if scope != "l":
        return rest
    function, _, name = rest.rpartition(".")
    return f"{function}.<locals>.{name}"
