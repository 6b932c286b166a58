"""What every part of the second look shares: names resolved to owners, guards as text."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from leakaudit.facts.model import Param
from leakaudit.facts.reading.expressions import short_text
from leakaudit.facts.reading.frame import Frame, owner_of
from leakaudit.facts.reading.origins import Origins
from leakaudit.facts.reading.walk import Walk


class Resolver:
    """Answers for one walked file, all of whose aliases are known now."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.imports = walk.imports
        self.origins = Origins(walk.imports)
        self._plain_params: dict[str, Param] = {}
        self.has_defaults = False
        self._outside: dict[str, str] = {}  # callees that no function binds
        self._test_texts: dict[ast.AST, str] = {}
        self._guard_texts: dict[tuple[ast.AST, ...], tuple[str, ...]] = {}

    def _guards(self, guards: tuple[ast.AST, ...]) -> tuple[str, ...]:
        """The tests as text; neighbours share them."""
        if not guards:
            return ()
        texts = self._guard_texts.get(guards)
        if texts is None:
            texts = self._guard_texts[guards] = tuple([self._guard(test) for test in guards])
        return texts

    def _guard(self, test: ast.AST) -> str:
        text = self._test_texts.get(test)
        if text is None:
            text = self._test_texts[test] = _guard_text(test)
        return text

    def _callees(self, texts: Iterable[str], frame: Frame) -> set[str]:
        bound = frame.bound
        plain = not (frame.nested or frame.globals)
        outside = self._outside
        found = set()
        for text in texts:
            root, _, rest = text.partition(".")
            if plain and root not in bound:
                if text not in outside:
                    outside[text] = self._callee(text, self.walk.frames[0])
                found.add(outside[text])
            elif root == frame.self_name and rest.isidentifier() and rest[:2] != "__":
                found.add(f"i:{frame.cls}.{rest}")  # what owner_of says, without asking
            else:
                found.add(self._callee(text, frame))
        found.discard("")
        return found

    def _decorator(self, text: str, frame: Frame) -> str:
        """Resolve a decorator; one that is called keeps its mark: `@app.get("/x")` is `m:app.get.()`."""
        name = text.removesuffix(".()")
        return (self._callee(name, frame) or name) + text[len(name) :]

    def _callee(self, text: str, frame: Frame) -> str:
        """Resolve a dotted callee (as `expressions.dotted` gives it) to an owner-style name."""
        if "(" in text or "[" in text:
            return "?:" + text.rpartition(".")[2] if "." in text else ""
        full = owner_of(frame, text, self.imports)
        if full:
            return full
        return f"b:{text}" if "." not in text else ""

    def _tags(self, node: ast.expr, frame: Frame) -> str:
        return "|".join(self.origins.of(node, frame, 2))

    def _usage(self, usage: str, frame: Frame) -> str:
        verb, colon, rest = usage.partition(":")
        if not colon:
            return usage
        if verb == "await" and rest:
            return "await:" + self._usage(rest, frame)
        if verb in ("name", "store"):
            owner = owner_of(frame, rest, self.imports, hops=0)
            return f"{verb}:{owner}" if owner else usage
        return usage


def strip(owner: str) -> tuple[str, int]:
    """Split the trailing elements off: `i:C.x[][]` is (`i:C.x`, 2); an attribute of an element is of unknown type."""
    if "[]" not in owner:
        return owner, 0
    depth = 0
    while owner.endswith("[]"):
        owner = owner[:-2]
        depth += 1
    if "[]." in owner:
        owner = "?:" + owner.rpartition("[].")[2]
    return owner, depth


def _guard_text(node: ast.AST) -> str:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return "not " + short_text(node.operand)
    return short_text(node)
