"""The one walk over a file's ast that collects raw facts, scope by scope. No judgement, no resolution yet."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from leakaudit.facts.containers import is_container
from leakaudit.facts.expressions import access_path, annotation_text, defaults_of, dotted, short_text
from leakaudit.facts.frame import Frame, RawCall, RawEvent, RawRaise
from leakaudit.facts.model import Class, Flag, Op, Use
from leakaudit.facts.rebinding import rebuilds
from leakaudit.facts.resources import MAKER_NAMES, POOL_NAMES, PROVING, WRAPPER
from leakaudit.facts.tables import CLEAR_METHODS, GROW_METHODS, INTERESTING_CALLS, QUEUE_TAKE, SHRINK_METHODS

#: Tests that are kept of those around an event, the innermost.
_GUARDS = 4
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_EXITS = frozenset((ast.Return, ast.Raise, ast.Continue, ast.Break))
_NAMED = frozenset((ast.Name, ast.Attribute))
_SEQUENCES = frozenset((ast.Tuple, ast.List))
#: Expressions that are read whole: nothing in them is an event, and no path leads through them.
_PLAIN_VALUES = frozenset((ast.Constant, ast.JoinedStr, ast.Compare, ast.UnaryOp, ast.Lambda))
_READ_METHODS = {
    "get": Use.GET,
    "items": Use.ITER,
    "values": Use.ITER,
    "keys": Use.ITER,
    "copy": Use.ITER,
    "index": Use.GET,
}
_RUNNING = re.compile(
    r"(^|[^a-z])(running|is_running|alive|active|stop|stopped|stopping|shutdown|closed|closing|done|finished|connected|exit|quit|terminate|keep_\w+|is_set|should_\w+|_?run)([^a-z]|$)"
)
_CHANGING = frozenset(SHRINK_METHODS | CLEAR_METHODS | set(GROW_METHODS))
_CALLBACKS = frozenset(SHRINK_METHODS | CLEAR_METHODS | {"append", "add", "put", "put_nowait", "appendleft"})
_METHODS = frozenset(_CHANGING | QUEUE_TAKE | set(_READ_METHODS))
_HEAP_GROWTH = frozenset(("heappush", "heappushpop", "insort", "insort_left", "insort_right"))
_HELPERS = _HEAP_GROWTH | {"heappop", "setattr", "delattr"}
_REMEMBERED = INTERESTING_CALLS | MAKER_NAMES | POOL_NAMES | PROVING | {"cls", "partial", "writelines"}
_LEAVES = (ast.Constant, ast.Pass, ast.Break, ast.Continue)
_MARKS = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)

_Handler = Callable[[Any, Any], None]


class Walk:
    """Visits a module once; afterwards `frames`, `functions`, `classes` and `imports` hold what was seen."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.functions: list[tuple[Frame, ast.AST, tuple[str, ...], str]] = []
        self.classes: list[Class] = []
        self.imports: dict[str, str] = {}
        self.all_names: tuple[str, ...] = ()
        self.script = False
        self.tree = ast.Module([], [])
        self.frame: Frame = Frame("", "module", -1)
        self.frames.append(self.frame)
        self.guards: tuple[ast.AST, ...] = ()  # the innermost few
        self.flags = 0
        self.usage = ""
        self._table = _HANDLERS

    def run(self, tree: ast.Module) -> None:
        """Walk a whole module."""
        self.tree = tree
        self.block(tree.body)

    # -- plumbing ---------------------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        handler = self._table[node.__class__]
        if handler is not None:
            handler(self, node)

    def visit_fields(self, node: ast.AST) -> None:
        """Visit the children of a node that means nothing by itself."""
        table = self._table
        for name in node._fields:
            value: Any = getattr(node, name, None)
            for part in value if value.__class__ is list else (value,):
                handler = table.get(part.__class__)  # None for a text, too
                if handler is not None:
                    handler(self, part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.visit(node.left)
        self.visit(node.right)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._visit_all(node.values)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.visit(node.operand)

    def visit_List(self, node: ast.List | ast.Tuple | ast.Set) -> None:
        self._visit_all(node.elts)

    visit_Tuple = visit_Set = visit_List

    def _visit_all(self, nodes: Iterable[Any]) -> None:
        table = self._table
        for node in nodes:
            handler = table[node.__class__]
            if handler is not None:
                handler(self, node)

    def block(self, statements: list[ast.stmt]) -> None:
        """Visit statements; a test whose branch leaves the block guards all that follows it."""
        guards = self.guards
        table = self._table
        statement: Any
        for statement in statements:
            kind = statement.__class__
            handler = table[kind]
            if handler is not None:
                handler(self, statement)
            if kind is ast.If and not statement.orelse and statement.body[-1].__class__ in _EXITS:
                self._guard(ast.UnaryOp(ast.Not(), statement.test))
                if not guards and self.frame.kind == "function":
                    self.frame.exits.append(statement.test)
        self.guards = guards

    def _guard(self, test: ast.AST) -> None:
        self.guards = (*self.guards[1 - _GUARDS :], test)

    def under(self, flag: int, statements: list[ast.stmt]) -> None:
        before, self.flags = self.flags, self.flags | flag
        self.block(statements)
        self.flags = before

    def expression(self, node: ast.AST | None, usage: str) -> None:
        """Visit an expression whose value is put to `usage`."""
        if node is None:
            return
        handler = self._table[node.__class__]
        if handler is not None:
            before, self.usage = self.usage, usage
            handler(self, node)
            self.usage = before

    def event(
        self,
        path: str,
        op: int,
        method: str,
        node: ast.expr | ast.stmt,
        key: ast.AST | None = None,
        value: ast.AST | None = None,
        flags: int = 0,
    ) -> None:
        if path:
            frame = self.frame
            frame.events.append(
                RawEvent(path, op, method, node, frame.index, key, value, self.guards, self.flags | flags)
            )

    def use(self, node: ast.AST, mask: int) -> None:
        path = access_path(node)
        if path:
            uses = self.frame.uses
            uses[path] = uses.get(path, 0) | mask

    # -- definitions ------------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer = self.frame
        name = node.name
        decorators = self._decorators(node)
        outer.bound.add(name)
        outer.functions[name] = len(self.functions)
        methods = self._defaults(node.args)
        kind = _function_kind(name, decorators)
        frame = self._function_frame(node, _qualname(outer, name), kind, decorators)
        if outer.kind == "class":
            self._bind_self(frame, node.args, kind, name)
        if methods:
            frame.bound_methods.update(methods)
        guards, self.guards = self.guards, ()
        flags, self.flags = self.flags, 0
        usage, self.usage = self.usage, ""
        self._enter(frame)
        self.block(node.body)
        self._leave(frame, outer)
        self.guards, self.flags, self.usage = guards, flags, usage

    visit_AsyncFunctionDef = visit_FunctionDef

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[str, ...]:
        if not node.decorator_list:
            return ()
        before, self.flags = self.flags, self.flags | Flag.DECORATOR
        for decorator in node.decorator_list:
            self.expression(decorator, f"decorator:{node.name}")
        self.flags = before
        return tuple(dotted(d) or "?" for d in node.decorator_list)

    def _defaults(self, arguments: ast.arguments) -> dict[str, ast.Attribute]:
        """Visit the defaults; return the parameters whose default is a container's bound method (`drop=seen.discard`)."""
        methods: dict[str, ast.Attribute] = {}
        for name, default in defaults_of(arguments):
            if isinstance(default, ast.Attribute) and default.attr in _CHANGING:
                methods[name] = default
            else:
                self.visit(default)
        return methods

    def visit_Lambda(self, node: ast.Lambda) -> None:
        outer = self.frame
        arguments = node.args
        self._visit_all(arguments.defaults)
        self._visit_all(filter(None, arguments.kw_defaults))
        frame = self._function_frame(node, _join(outer.qualname, "<lambda>"), "", ())
        guards, self.guards = self.guards, ()
        flags, self.flags = self.flags, 0
        frame.returns.append(node.body)
        self._enter(frame)
        self.expression(node.body, "return")
        self._leave(frame, outer)
        self.guards, self.flags = guards, flags

    def _function_frame(self, node: Any, qualname: str, kind: str, decorators: tuple[str, ...]) -> Frame:
        outer = self.frame
        frame = Frame(
            qualname,
            "function",
            len(self.functions),
            outer.cls if outer.kind == "class" else "",
            outer,
            nested=outer.nested or outer.kind == "function",
        )
        arguments: ast.arguments = node.args
        every = _all_arguments(arguments)
        names = [argument.arg for argument in every]
        frame.params.update(names)
        frame.bound.update(names)
        for argument in every:
            if argument.annotation is not None:
                frame.annotations[argument.arg] = annotation_text(argument.annotation)
        if arguments.defaults:
            for argument, default in zip(
                reversed((*arguments.posonlyargs, *arguments.args)), reversed(arguments.defaults)
            ):
                if default.__class__ is ast.Attribute:  # `lambda done, tasks=self.tasks: tasks.discard(done)`
                    frame.aliases[argument.arg] = access_path(default)
        self.functions.append((frame, node, decorators, kind))
        self.frames.append(frame)
        return frame

    def _bind_self(self, frame: Frame, arguments: ast.arguments, kind: str, name: str) -> None:
        first = (arguments.posonlyargs or arguments.args)[:1]
        if first and kind != "static":
            if kind == "class" or name == "__new__":
                frame.cls_name = first[0].arg
            else:
                frame.self_name = first[0].arg

    def _enter(self, frame: Frame) -> None:
        self.frame = frame
        self._table = _NESTED_HANDLERS if frame.nested else _HANDLERS

    def _leave(self, frame: Frame, outer: Frame) -> None:
        self._enter(outer)
        if frame.nested:
            frame.free = {name for name in frame.loads | frame.taken if not frame.is_local(name)}
            outer.taken |= frame.free

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer = self.frame
        decorators = self._decorators(node)
        self._visit_all(node.bases)
        self._visit_all(keyword.value for keyword in node.keywords)
        outer.bound.add(node.name)
        outer.classes.add(node.name)
        qualname = _qualname(outer, node.name)
        nested = outer.nested or outer.kind == "function"
        frame = Frame(qualname, "class", outer.index, qualname, outer, nested=nested)
        self.frames.append(frame)
        guards, self.guards = self.guards, ()
        self._enter(frame)
        self.block(node.body)
        self._leave(frame, outer)
        self.guards = guards
        taken = (
            sorted(n for n in frame.loads if outer.is_local(n) and not frame.is_local(n)) if nested else ()
        )
        self.classes.append(_class(node, qualname, decorators, outer.index, tuple(taken)))

    # -- bindings ---------------------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports[alias.asname or alias.name.partition(".")[0]] = (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = "." * node.level + (node.module or "")
        for alias in node.names:
            joined = f"{base}{alias.name}" if base.endswith(".") else f"{base}.{alias.name}"
            self.imports[alias.asname or alias.name] = joined

    def visit_Global(self, node: ast.Global) -> None:
        self.frame.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.frame.nonlocals.update(node.names)

    def visit_Assign(self, node: ast.Assign) -> None:
        value = node.value
        first = node.targets[0]
        if (
            first.__class__ in _SEQUENCES
            and isinstance(value, (ast.Tuple, ast.List))
            and len(first.elts) == len(value.elts)  # type: ignore[attr-defined]
        ):
            for target, part in zip(first.elts, value.elts):  # type: ignore[attr-defined]
                self.expression(part, self._usage_of(target))
                self.assign(target, part, node)
            return
        if self._table[value.__class__] is not None:
            self.expression(value, self._usage_of(first))
        for target in node.targets:
            self.assign(target, value, node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.frame.annotations.setdefault(node.target.id, annotation_text(node.annotation))
        if node.value is not None:
            self.expression(node.value, self._usage_of(node.target))
            self.assign(node.target, node.value, node, annotation_text(node.annotation))
        elif isinstance(node.target, ast.Name):
            self.frame.bound.add(node.target.id)
        elif isinstance(node.target, ast.Attribute):
            self.frame.stores.append((access_path(node.target), ast.Constant(None), node))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.expression(node.value, self._usage_of(node.target))
        self.assign(node.target, node.value, node)

    def _usage_of(self, target: ast.AST) -> str:
        if isinstance(target, ast.Name):
            return f"name:{target.id}"
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            return f"store:{access_path(target)}"
        return "unpack"

    def assign(self, target: Any, value: ast.AST, node: ast.expr | ast.stmt, annotation: str = "") -> None:
        frame = self.frame
        if target.__class__ is ast.Name:
            name = target.id
            frame.bound.add(name)
            if name in frame.definitions:
                frame.definitions[name].append(value)
            else:
                frame.definitions[name] = [value]
            if value.__class__ not in _PLAIN_VALUES:
                self._assign_name(name, value, node, annotation)
            if frame.kind == "function" or name in frame.globals or name in frame.nonlocals:
                self.event(name, Op.REBIND, "=", node, None, value)
            return
        if isinstance(target, ast.Attribute):
            self.visit(target.value)
            path = access_path(target)
            if not path:
                return
            frame.stores.append((path, value, node))
            if is_container(value):
                frame.containers.append((path, value, node, annotation, self.flags))
            self.event(path, Op.REBIND, "=", node, None, value)
        elif isinstance(target, ast.Subscript):
            self.visit(target.value)
            self.visit(target.slice)
            path = access_path(target.value)
            if isinstance(target.slice, ast.Slice):
                op = Op.CLEAR if _is_empty(value) and not _has_bounds(target.slice) else Op.TRIM
                self.event(path, op, "[:]=", node, target.slice, value)
            elif rebuilds(self._defined(value), f"{path}[]"):
                self.event(f"{path}[]", Op.TRIM, "=", node, None, value)
            else:
                self.event(path, Op.GROW, "[]=", node, target.slice, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                made = value.value if isinstance(value, ast.Await) else value
                self.assign(element, value if isinstance(made, ast.Call) else ast.Constant(None), node)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, value, node)

    def _assign_name(self, name: str, value: ast.AST, node: ast.AST, annotation: str) -> None:
        frame = self.frame
        path = access_path(value)
        if path and name not in frame.aliases and path != name:
            frame.aliases[name] = path
        if isinstance(value, ast.Attribute) and value.attr in _CHANGING and frame.kind == "function":
            frame.bound_methods[name] = value
        if is_container(value):
            frame.containers.append((name, value, node, annotation, self.flags))
        if name == "__all__" and frame.kind == "module" and isinstance(value, (ast.List, ast.Tuple)):
            self.all_names = tuple(
                e.value for e in value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)
            )

    def _defined(self, value: ast.AST) -> ast.AST:
        """What a local name was bound to last, else the expression itself."""
        known = self.frame.definitions.get(value.id) if isinstance(value, ast.Name) else None
        return known[-1] if known else value

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        target = node.target
        path = access_path(target)
        if isinstance(target, ast.Subscript):
            self.visit(target.slice)
            self.event(access_path(target.value), Op.GROW, "[]+=", node, target.slice, node.value)
            if isinstance(node.op, ast.Add):
                self.event(path, Op.GROW, "+=", node, None, node.value)
            return
        if isinstance(target, ast.Name):
            self.visit(target)
            self.frame.bound.add(target.id)
            self.frame.definitions.setdefault(target.id, []).append(node)
        if isinstance(node.op, (ast.Sub, ast.BitAnd)):
            self.event(path, Op.SHRINK, "-=", node, None, node.value)
        elif isinstance(node.op, (ast.Add, ast.BitOr)):
            self.event(path, Op.GROW, "+=", node, None, node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self.visit(target.value)
                self.visit(target.slice)
                path = access_path(target.value)
                whole = isinstance(target.slice, ast.Slice)
                op = (Op.TRIM if _has_bounds(target.slice) else Op.CLEAR) if whole else Op.SHRINK
                self.event(path, op, "del", node, target.slice)
            elif isinstance(target, ast.Attribute):
                self.visit(target.value)
                self.event(access_path(target), Op.REBIND, "del", node)
            elif isinstance(target, ast.Name):
                self.frame.deleted.add(target.id)

    # -- control flow -----------------------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        if self.frame.kind == "module" and _is_main_test(node.test):
            self.script = True
        self._test(node.test)
        guards = self.guards
        self._guard(node.test)
        self.under(Flag.COND, node.body)
        self.guards = guards
        if node.orelse:
            self._guard(ast.UnaryOp(ast.Not(), node.test))
            self.under(Flag.COND, node.orelse)
            self.guards = guards

    def _test(self, node: ast.AST) -> None:
        self.expression(node, "test")
        for part in node.values if isinstance(node, ast.BoolOp) else (node,):
            inner = part.operand if isinstance(part, ast.UnaryOp) else part
            if inner.__class__ in _NAMED:
                self.use(inner, Use.TRUTH)

    def visit_While(self, node: ast.While) -> None:
        self._test(node.test)
        forever = _runs_on(node)
        if forever and self.frame.kind == "function":
            self.frame.forever = True
            self.frame.endless = self.frame.endless or _is_endless(node)
        guards = self.guards
        self._guard(node.test)
        self.under(Flag.LOOP | (Flag.FOREVER if forever else 0), node.body)
        self.guards = guards
        self.block(node.orelse)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.use(_iterated(node.iter), Use.ITER)
        self.visit(node.iter)
        self._bind_loop(node.target, node.iter)
        self.under(Flag.LOOP, node.body)
        self.block(node.orelse)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        before, self.flags = self.flags, self.flags | Flag.FOREVER
        self.visit_For(node)
        self.flags = before

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.use(_iterated(node.iter), Use.ITER)
        self.visit(node.iter)
        self._bind_loop(node.target, node.iter)
        for test in node.ifs:
            self.visit(test)

    def _comprehension(self, node: ast.AST) -> None:
        for generator in node.generators:  # type: ignore[attr-defined]
            self.visit_comprehension(generator)
        for name in ("elt", "key", "value"):
            part = getattr(node, name, None)
            if part is not None:
                self.expression(part, "element")

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _bind_loop(self, target: ast.AST, iterated: ast.AST) -> None:
        path = access_path(_iterated(iterated))
        names = [target] if isinstance(target, ast.Name) else getattr(target, "elts", [])
        for position, name in enumerate(names):
            if isinstance(name, ast.Name):
                self.frame.bound.add(name.id)
                self.frame.loops[name.id] = iterated
                if path and name.id not in self.frame.aliases and position == len(names) - 1:
                    self.frame.aliases[name.id] = path if path.endswith("[]") else f"{path}[]"
            elif isinstance(name, (ast.Tuple, ast.List)):
                self._bind_loop(name, iterated)

    def visit_Try(self, node: ast.Try) -> None:
        if not node.finalbody:
            self.frame.tries.append(node)
        self.under(Flag.TRY, node.body)
        for handler in node.handlers:
            if handler.type is not None:
                self.visit(handler.type)
            if handler.name:
                self.frame.bound.add(handler.name)
                self.frame.caught.add(handler.name)
            self.under(Flag.EXCEPT, handler.body)
        self.block(node.orelse)
        self.under(Flag.FINALLY, node.finalbody)

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.expression(item.context_expr, "with")
            if item.optional_vars is not None:
                for name in ast.walk(item.optional_vars):
                    if isinstance(name, ast.Name):
                        self.frame.bound.add(name.id)
                        self.frame.withs[name.id] = item.context_expr
        self.under(Flag.WITH, node.body)

    visit_AsyncWith = visit_With

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.frame.returns.append(node.value)
            self.use(node.value, Use.RETURN)
            self.expression(node.value, "return")

    def visit_Raise(self, node: ast.Raise) -> None:
        raised = node.exc
        if raised is None:
            return
        if raised.__class__ is not ast.Call:
            path = access_path(raised)
            if path:
                self.frame.raises.append(RawRaise(path, raised, self.guards, self.flags))
        self.expression(raised, "raise")
        if node.cause is not None:
            self.expression(node.cause, "raise")

    def visit_Expr(self, node: ast.Expr) -> None:
        self.expression(node.value, "drop")

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self.frame.bound.add(name)
            if case.guard is not None:
                self.visit(case.guard)
            self.under(Flag.COND, case.body)

    # -- expressions ------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        self.frame.loads.add(node.id)

    def visit_Await(self, node: ast.Await) -> None:
        before, self.flags = self.flags, self.flags | Flag.AWAIT
        self.expression(node.value, f"await:{self.usage}")
        self.flags = before

    def visit_Yield(self, node: ast.Yield | ast.YieldFrom) -> None:
        self.frame.generator = True
        self.expression(node.value, "yield")

    visit_YieldFrom = visit_Yield

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _CALLBACKS:
            self._handed_on(node)
        handler = self._table[node.value.__class__]
        if handler is not None:
            before, self.usage = self.usage, "receiver"
            handler(self, node.value)
            self.usage = before

    def _handed_on(self, node: ast.Attribute) -> None:
        """A method that changes a container, and that is not called here."""
        attr = node.attr
        if attr in CLEAR_METHODS:
            self.event(access_path(node.value), Op.CLEAR, attr, node, flags=Flag.CALLBACK)
        elif attr in SHRINK_METHODS:
            self.event(access_path(node.value), Op.SHRINK, attr, node, flags=Flag.CALLBACK)
        elif self.usage != "call":
            self.event(access_path(node.value), Op.GROW, attr, node, flags=Flag.CALLBACK)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        path = access_path(node.value)
        if path and isinstance(node.ctx, ast.Load):
            self.event(path, Op.READ_GROW, "[]", node, node.slice)
            self.frame.uses[path] = self.frame.uses.get(path, 0) | Use.INDEX
        self.expression(node.value, "receiver")
        self.visit(node.slice)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides: list[Any] = [node.left, *node.comparators]
        for operator, right in zip(node.ops, node.comparators):
            if operator.__class__ is ast.In or operator.__class__ is ast.NotIn:
                self.use(right, Use.IN)
        for side in sides:
            if side.__class__ is ast.Call:
                self._compared_call(side, node)
        self.usage = ""
        self._visit_all(sides)

    def _compared_call(self, call: Any, node: ast.Compare) -> None:
        func = call.func
        if isinstance(func, ast.Name):
            if func.id == "len" and call.args:
                self.event(access_path(call.args[0]), Op.MEASURE, "len", node)
        elif isinstance(func, ast.Attribute) and func.attr in ("qsize", "full", "__len__"):
            self.event(access_path(func.value), Op.MEASURE, func.attr, node)

    def visit_Call(self, node: ast.Call) -> None:
        func = node.func
        frame = self.frame
        usage = self.usage
        if isinstance(func, ast.Attribute):
            name = func.attr
            if name in _METHODS:
                self._method_call(node, func)
            self.expression(func.value, "receiver")
        elif isinstance(func, ast.Name):
            name = func.id
            if frame.nested:
                frame.loads.add(name)
            if name in frame.bound_methods:
                self._method_call(node, frame.bound_methods[name])
            if name == "len" and node.args:
                self.use(node.args[0], Use.LEN)
        else:
            name = ""
            self.expression(func, "call")
        text = name if isinstance(func, ast.Name) else dotted(func)
        if text:
            frame.call_names.add(text)
            if self.flags & Flag.FOREVER:
                frame.loop_names.add(text)
        arguments: list[Any] = node.args
        if node.keywords:
            arguments = arguments + [keyword.value for keyword in node.keywords]
        if self._remember(arguments, name):
            frame.calls.append(RawCall(node, name, frame.index, usage, self.guards, self.flags))
        if arguments:
            self._arguments(arguments, text)
        if name not in _HELPERS or not self._helper_call(node, name):
            self._escapes(arguments, text or name, node)

    def _arguments(self, arguments: list[Any], callee: str) -> None:
        frame = self.frame
        uses = frame.uses
        table = self._table
        before = self.usage
        for argument in arguments:
            value: Any = argument.value if argument.__class__ is ast.Starred else argument
            kind = value.__class__
            if kind is ast.Name:
                text = value.id
            elif kind is ast.Attribute:
                text = dotted(value)
            else:
                text = ""
            if text:
                frame.ref_names.add(text)
                uses[text] = uses.get(text, 0) | Use.PASS
            handler = table[kind]
            if handler is not None:
                self.usage = f"arg:{callee}"
                handler(self, value)
        self.usage = before

    def _escapes(self, arguments: list[Any], callee: str, node: ast.Call) -> None:
        frame = self.frame
        for argument in arguments:
            kind = argument.__class__
            if kind is ast.Name:
                path = argument.id
            elif kind is ast.Attribute:
                path = access_path(argument)
            else:
                continue
            if path:
                frame.events.append(
                    RawEvent(path, Op.ESCAPE, callee, node, frame.index, None, None, self.guards, self.flags)
                )

    def _remember(self, arguments: list[Any], name: str) -> bool:
        if _is_remembered(name):
            return True
        if len(arguments) > 1 and name in ("add", "record"):  # a sink or a measurement, no set
            return True
        for argument in arguments:
            kind = argument.__class__
            if (
                (
                    kind is ast.Name
                    and (argument.id in self.frame.functions or argument.id == self.frame.self_name)
                )
                or kind is ast.Lambda
                or (kind is ast.Attribute and access_path(argument).startswith("self."))
            ):
                return True
        return False

    def _method_call(self, node: ast.Call, func: ast.Attribute) -> None:
        attr = func.attr
        path = access_path(func.value)
        arguments = node.args
        if attr in GROW_METHODS:
            key, value = _grow_parts(GROW_METHODS[attr], arguments, node.keywords)
            if key is None:
                key = _entry_key(func.value)
            self.event(path, Op.GROW, attr, node, key, value)
        elif attr in CLEAR_METHODS:
            self.event(path, Op.CLEAR, attr, node)
        elif attr in SHRINK_METHODS:
            self.event(path, Op.SHRINK, attr, node, arguments[0] if arguments else None)
        elif attr in QUEUE_TAKE and not arguments:
            self.event(path, Op.SHRINK, attr, node)
        if attr in _READ_METHODS and path:
            self.frame.uses[path] = self.frame.uses.get(path, 0) | _READ_METHODS[attr]

    def _helper_call(self, node: ast.Call, name: str) -> bool:
        arguments = node.args
        if name in _HEAP_GROWTH and len(arguments) > 1:
            self.event(access_path(arguments[0]), Op.GROW, name, node, None, arguments[1])
        elif name == "heappop" and arguments:
            self.event(access_path(arguments[0]), Op.SHRINK, name, node)
        elif name in ("setattr", "delattr") and len(arguments) > 1 and isinstance(arguments[1], ast.Constant):
            base = access_path(arguments[0])
            self.event(f"{base}.{arguments[1].value!s}" if base else "", Op.REBIND, name, node)
        else:
            return False
        return True


def _handlers(names: bool) -> dict[type, _Handler | None]:
    """Return what visits each kind of node; None for leaves, to which names belong where nobody asks for them."""
    table: dict[type, _Handler | None] = {
        kind: getattr(Walk, f"visit_{name}", Walk.visit_fields)
        for name, kind in vars(ast).items()
        if isinstance(kind, type) and issubclass(kind, ast.AST)
    }
    leaves = [kind for kind in table if issubclass(kind, _MARKS)]
    table.update(dict.fromkeys((*leaves, *_LEAVES, *(() if names else (ast.Name,)))))
    return table


_HANDLERS = _handlers(names=False)
_NESTED_HANDLERS = _handlers(names=True)


def _qualname(outer: Frame, name: str) -> str:
    return f"{outer.qualname}.<locals>.{name}" if outer.kind == "function" else _join(outer.qualname, name)


def _function_kind(name: str, decorators: tuple[str, ...]) -> str:
    if decorators:
        if any(d.endswith("property") for d in decorators):
            return "property"
        if "staticmethod" in decorators:
            return "static"
        if "classmethod" in decorators:
            return "class"
    return "class" if name in ("__init_subclass__", "__class_getitem__") else ""


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = arguments.args
    if arguments.posonlyargs or arguments.kwonlyargs:
        found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return found + extra if extra else found


def _class(
    node: ast.ClassDef, qualname: str, decorators: tuple[str, ...], func: int, captures: tuple[str, ...]
) -> Class:
    body = node.body
    return Class(
        qualname,
        node.lineno,
        node.end_lineno or node.lineno,
        tuple(filter(None, (dotted(b).replace(".[]", "").replace("[]", "") for b in node.bases))),
        decorators,
        tuple(n.name for n in body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))),
        func,
        tuple(f"{k.arg}={short_text(k.value)}" for k in node.keywords),
        tuple(t.id for n in body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)),
        node.col_offset + 1,
        captures,
    )


def _runs_on(node: ast.While) -> bool:
    """`while True`, `while not stopped`, and a loop that sleeps or waits between its turns."""
    if isinstance(node.test, ast.Constant):
        return bool(node.test.value)
    if isinstance(node.test, ast.Compare) and not any(
        isinstance(o, (ast.Is, ast.IsNot, ast.NotIn)) for o in node.test.ops
    ):
        return _sleeps(node)
    if _RUNNING.search(short_text(node.test)):
        return True
    return _sleeps(node)


def _sleeps(node: ast.While) -> bool:
    for statement in node.body:
        for part in ast.walk(statement):
            if isinstance(part, ast.Call):
                name = (
                    part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
                )
                if name in ("sleep", "wait", "wait_for", "poll", "select", "accept"):
                    return True
    return False


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _is_empty(node: ast.AST) -> bool:
    return (isinstance(node, (ast.List, ast.Tuple)) and not node.elts) or (
        isinstance(node, ast.Dict) and not node.keys
    )


def _has_bounds(node: ast.AST) -> bool:
    return isinstance(node, ast.Slice) and (node.lower is not None or node.upper is not None)


@lru_cache(maxsize=16384)
def _is_remembered(name: str) -> bool:
    """Decide by the last part of a callee; code bases use few different ones."""
    return (
        name in _REMEMBERED
        or name.startswith("register_")
        or name.lstrip("_")[:1].isupper()
        or WRAPPER.match(name) is not None
    )


def _is_endless(node: ast.While) -> bool:
    """`while True` that pauses between its turns, and that no break, return or raise leaves."""
    if not isinstance(node.test, ast.Constant) or not _sleeps(node):
        return False
    todo: list[ast.AST] = list(node.body)
    while todo:
        part = todo.pop()
        if isinstance(part, (ast.Return, ast.Raise, ast.Break)):
            return False
        if not isinstance(part, (*_FUNCTIONS, ast.ClassDef)):
            todo.extend(ast.iter_child_nodes(part))
    return True


def _is_main_test(node: ast.AST) -> bool:
    return isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == "__name__"


def _iterated(node: ast.AST) -> ast.AST:
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.args
        and node.func.id in ("list", "tuple", "sorted", "enumerate", "reversed", "iter", "set")
    ):
        node = node.args[0]
    return node


def _entry_key(node: ast.AST) -> ast.AST | None:
    """The key of `d[key].append(...)` and `d.setdefault(key, []).append(...)`."""
    if isinstance(node, ast.Subscript):
        return None if isinstance(node.slice, ast.Slice) else node.slice
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.args
        and node.func.attr in ("get", "setdefault")
    ):
        return node.args[0]
    return None


def _grow_parts(
    what: str, arguments: list[ast.expr], keywords: list[ast.keyword]
) -> tuple[ast.AST | None, ast.AST | None]:
    if what == "key":
        return (arguments[0] if arguments else None), (arguments[1] if len(arguments) > 1 else None)
    if what == "second":
        return None, arguments[1] if len(arguments) > 1 else (arguments[0] if arguments else None)
    return None, arguments[0] if arguments else (keywords[0].value if keywords else None)
