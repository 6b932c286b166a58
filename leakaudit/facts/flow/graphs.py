"""Training steps that keep a tensor with its autograd graph after `backward()` ran on it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from leakaudit.facts.answers import words
from leakaudit.facts.model import GraphKept
from leakaudit.facts.reading.expressions import access_path, position, short_text
from leakaudit.facts.reading.frame import Frame, owner_of

_FRAMEWORKS = frozenset("torch pytorch_lightning lightning torchmetrics accelerate".split())
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
#: Methods and attributes that give a number, an array or a tensor without the graph.
_DETACHING = frozenset("item detach detach_ tolist numpy data __float__ is_cuda shape size dim numel".split())
#: Methods and functions whose result still carries the graph of what goes in.
_CARRYING = frozenset(
    "cpu cuda to float double half mean sum clone squeeze unsqueeze view reshape sqrt log exp abs stack cat".split()
)
_NO_GRAPH = frozenset("no_grad inference_mode set_grad_enabled".split())
_BACKWARD = ("backward", "manual_backward")
_APPENDS = ("append", "add", "extend", "appendleft")
#: Words for what is called to make a prediction.
_MODEL_WORDS = frozenset(
    "model net network forward generator discriminator encoder decoder policy actor critic".split()
)
#: Hooks of a training framework, which runs `backward()` on what they return.
_STEPS = ("training_step",)


class _Step(NamedTuple):
    """A statement or call that trains: what it runs backward through, and the loops around it (() for a hook)."""

    line: int
    graphs: frozenset[str]
    loops: tuple[ast.AST, ...]


def kept_graphs(functions: Iterable[tuple[Frame, ast.AST]], imports: dict[str, str]) -> Iterator[GraphKept]:
    """Yield what the functions of a walked file keep; nothing for files that know no training framework."""
    if not any(name.partition(".")[0] in _FRAMEWORKS for name in imports.values()):
        return
    bodies = [_Function(node, frame) for frame, node in functions]
    returning = frozenset(body.name for body in bodies if body.returns_graph)
    for body in bodies:
        steps = (*body.steps, *body.calls_of(returning))
        for path, statement, value, how in body.additions() if steps and not body.without_graph else ():
            step = body.step_of(path, statement, value, steps)
            if step is not None:
                owner = owner_of(body.frame, path, imports, hops=0) or f"?:{path}"
                where = (*position(statement), body.frame.index)
                yield GraphKept(owner, *where, how, short_text(value), step.line)


class _Function:
    """One function's (or the module's) statements, its nested functions left out."""

    def __init__(self, node: ast.AST, frame: Frame) -> None:
        self.frame = frame
        self.name: str = getattr(node, "name", "")
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes: list[ast.AST] = []
        todo: list[ast.AST] = (
            list(getattr(node, "body", ())) if isinstance(getattr(node, "body", None), list) else []
        )
        while todo:
            current = todo.pop()
            self.nodes.append(current)
            if isinstance(current, _FUNCTIONS):
                continue
            for child in ast.iter_child_nodes(current):
                self.parents[child] = current
                todo.append(child)
        decorators = getattr(node, "decorator_list", ())
        self.without_graph = any(_last_name(d) in _NO_GRAPH for d in decorators)
        self.steps = list(self._steps(node))
        self.used = frozenset().union(*(self._used(step) for step in self.steps))

    @property
    def returns_graph(self) -> bool:
        """Whether it runs backward, and returns what it ran it on, graph and all."""
        returned = _all_graphs(self.frame.returns)
        return self.name not in (*_STEPS, "") and any(step.graphs & returned for step in self.steps)

    def calls_of(self, names: frozenset[str]) -> Iterator[_Step]:
        """Yield the calls of such functions: what they are assigned to carries the graph."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and _last_name(node) in names and _is_plain(node.func):
                parent = self.parents.get(node)
                targets = parent.targets if isinstance(parent, ast.Assign) else ()
                yield _Step(node.lineno, _all_graphs(targets) | {f"{_last_name(node)}()"}, self._loops(node))

    def _steps(self, node: ast.AST) -> Iterator[_Step]:
        if getattr(node, "name", "") in _STEPS:
            graphs = frozenset().union(*(_graphs(value) for value in self.frame.returns))
            yield _Step(getattr(node, "lineno", 0), graphs, ())
        for current in self.nodes:
            if isinstance(current, ast.Call) and _last_name(current) in _BACKWARD:
                inputs = [
                    *current.args,
                    *([current.func.value] if isinstance(current.func, ast.Attribute) else []),
                ]
                names = frozenset().union(*(_graphs(value) for value in inputs))
                yield _Step(current.lineno, names | self._parts(names), self._loops(current))

    def _parts(self, names: frozenset[str]) -> frozenset[str]:
        """What the loss was made from: `total = a + b` carries a and b, `loss = criterion(output, y)` a model's output."""
        found: set[str] = set()
        for name in names & self.frame.withs.keys():  # `with amp.scale_loss(loss, optimizer) as scaled`
            made = self.frame.withs[name]
            found |= _all_graphs(made.args) if isinstance(made, ast.Call) else frozenset()
        for value in (v for name in names for v in self.frame.definitions.get(name, ())):
            if isinstance(value, (ast.BinOp, ast.Name)):
                found |= _graphs(value)
            elif isinstance(value, ast.Call):
                found |= {a.id for a in value.args if isinstance(a, ast.Name) and self._is_output(a.id)}
        return frozenset(found)

    def _is_output(self, name: str) -> bool:
        made = self.frame.definitions.get(name, ())
        return any(isinstance(v, ast.Call) and set(words(_last_name(v))) & _MODEL_WORDS for v in made)

    def _used(self, step: _Step) -> frozenset[str]:
        """Everything that the backward pass is computed from: adding to one of those is building the loss, not keeping it."""
        values = [v for name in step.graphs for v in self.frame.definitions.get(name, ())]
        return step.graphs.union(*(_paths(value) for value in values))

    def _loops(self, node: ast.AST) -> tuple[ast.AST, ...]:
        return tuple(parent for parent in self._above(node) if isinstance(parent, _LOOPS))

    def _above(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.parents:
            node = self.parents[node]
            yield node

    def additions(self) -> Iterator[tuple[str, ast.AST, ast.expr, str]]:
        """Yield (path, statement, value, how) for everything that is added to something."""
        for node in self.nodes:
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
                yield access_path(node.target), node, node.value, "sum"
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Name, ast.Attribute)):
                path = access_path(node.targets[0])
                if isinstance(node.value, ast.BinOp) and path in _paths(node.value):
                    yield path, node, node.value, "sum"
            elif (
                isinstance(node, ast.Call)
                and _last_name(node) in _APPENDS
                and node.args
                and isinstance(node.func, ast.Attribute)
            ):
                yield access_path(node.func.value), node, node.args[0], "append"

    def step_of(
        self, path: str, statement: ast.AST, value: ast.expr, steps: tuple[_Step, ...]
    ) -> _Step | None:
        """Return the training step whose graph is kept by adding `value` to `path`, or None."""
        path = path.partition("[")[0]
        called = {f"{_last_name(value)}()"} if isinstance(value, ast.Call) else set()
        carried = (_graphs(value) | called) - {path}
        if not path or not carried or path in self.used or self._is_detached(statement):
            return None
        loops = self._loops(statement)
        for step in steps:
            shared = [loop for loop in loops if loop in step.loops]
            outlives = path.startswith("self.") or (bool(shared) and not self._starts_anew(path, shared[0]))
            if outlives and carried & step.graphs:
                return step
        return None

    def _starts_anew(self, path: str, loop: ast.AST) -> bool:
        """Whether each turn of the loop begins with an empty one."""
        values = [v for v in self.frame.definitions.get(path, ()) if loop in self._above(v)]
        return any(isinstance(v, (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Call)) for v in values)

    def _is_detached(self, statement: ast.AST) -> bool:
        """Under `no_grad`, or every graph in it was turned into a number before."""
        for parent in self._above(statement):
            if isinstance(parent, (ast.With, ast.AsyncWith)) and any(
                _last_name(i.context_expr) in _NO_GRAPH for i in parent.items
            ):
                return True
        names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        return any(
            _last_name(v) in _DETACHING for name in names for v in self.frame.definitions.get(name, ())
        )


def _graphs(node: ast.AST) -> frozenset[str]:
    """The paths whose graph the value of an expression still carries."""
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute) and node.attr in _DETACHING:
            return frozenset()
        path = access_path(node)
        return frozenset({path.partition("[")[0]}) if path else frozenset()
    if isinstance(node, ast.Call):
        return _carried_by_call(node)
    if isinstance(node, ast.Dict):
        return frozenset().union(*(_graphs(value) for value in node.values))
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Tuple, ast.List, ast.IfExp, ast.Starred, ast.NamedExpr)):
        return frozenset().union(*(_graphs(child) for child in ast.iter_child_nodes(node)))
    return frozenset()


def _is_plain(func: ast.expr) -> bool:
    """A function of the file or a method of the instance, not another object's method of that name."""
    return isinstance(func, ast.Name) or (
        isinstance(func, ast.Attribute) and access_path(func.value) == "self"
    )


def _all_graphs(nodes: Iterable[ast.AST]) -> frozenset[str]:
    return frozenset().union(*map(_graphs, nodes))


def _carried_by_call(node: ast.Call) -> frozenset[str]:
    name = _last_name(node)
    if name == "scale":  # a gradient scaler
        return frozenset().union(*(_graphs(value) for value in node.args))
    if name in _CARRYING and isinstance(node.func, ast.Attribute):
        return frozenset().union(_graphs(node.func.value), *(_graphs(value) for value in node.args))
    return frozenset()


def _paths(node: ast.AST) -> set[str]:
    return {access_path(n) for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))}


def _last_name(node: ast.AST) -> str:
    func = node.func if isinstance(node, ast.Call) else node
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
