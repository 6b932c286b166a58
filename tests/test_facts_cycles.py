"""Links back that nothing breaks."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.cycles import Cycles
from leakaudit.facts.holders.endings import Endings
from leakaudit.facts.holders.links import Link
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.project import Project


def project(text: str) -> Project:
    return Project({"a.py": extract(text)})


def found(text: str) -> list[Link]:
    return list(Cycles(project(text)))


CHILD = """
class Child:
    def __init__(self, parent, depth=0):
        self.depth = depth
        self.owner = parent
"""


def test_a_child_that_keeps_its_parent_is_confirmed() -> None:
    (link,) = found(CHILD + "class Parent:\n    def __init__(self):\n        self.child = Child(self)\n")
    assert (link.kind, link.holder, link.name, link.back) == ("child", "Parent", "child", ("a.py", 5))


def test_an_argument_that_the_child_does_not_keep_is_not() -> None:
    (link,) = found(
        "class Child:\n    def __init__(self, parent): ...\nclass Parent:\n    def __init__(self):\n        self.child = Child(self)\n"
    )
    assert link.back is None
    assert link.cues == ()


def test_a_link_that_is_cleared_is_none() -> None:
    assert not found(
        CHILD
        + "class Parent:\n    def __init__(self):\n        self.child = Child(self)\n    def close(self):\n        self.child = None\n"
    )


def test_weak_references_are_none() -> None:
    assert not found(
        CHILD
        + "import weakref\nclass Parent:\n    def __init__(self):\n        self.child = Child(weakref.proxy(self))\n"
    )


def test_its_own_container_holds_it() -> None:
    (link,) = found(
        "class Pool:\n    def __init__(self, options):\n        super().__init__()\n        self.options['pool'] = self\n"
    )
    assert (link.kind, link.name, link.line) == ("container", "options", 4)


def test_a_container_of_the_class_or_one_that_it_leaves_is_none() -> None:
    assert not found("class A:\n    all = {}\n    def __init__(self):\n        self.all['x'] = self\n")
    assert not found(
        "class A:\n    def __init__(self):\n        self.own = set()\n    def join(self):\n        self.own.add(self)\n    def leave(self):\n        self.own.discard(self)\n"
    )


def test_stopped_but_kept() -> None:
    (link,) = found("""
class Manager:
    def start_timer(self):
        self.timer = Timer(owner=self)

    def stop_timer(self):
        self.timer.stop()
""")
    assert [weight for _, weight in link.cues] == [2]


def test_a_closure_that_captures_what_it_is_given_to() -> None:
    (link,) = found("""
def later(work):
    def run():
        work(call)

    call = Call(run)
    return call
""")
    assert (link.kind, link.holder, link.name) == ("closure", "later", "call")


def test_a_closure_over_something_else_is_none() -> None:
    assert not found(
        "def later(work):\n    def run():\n        work()\n    call = Call(run)\n    return call\n"
    )


def test_a_wrapper_and_what_it_wraps() -> None:
    text = """
class Wrapper:
    def __init__(self, inner):
        self.inner = inner

    def connect(self):
        self.inner.connect(self)

    def close(self):
        self.inner.close()
        CLEAR
"""
    (link,) = found(text.replace("CLEAR", "pass"))
    assert (link.kind, link.name, link.line) == ("wrapper", "inner", 4)
    assert not found(text.replace("CLEAR", "self.inner = None"))


def test_a_parser_written_in_c() -> None:
    text = """
import hiredis

class Parser:
    def connect(self):
        self.reader = hiredis.Reader(replyError=self.error)

    DECORATOR
    def error(self, text): ...
"""
    (link,) = found(text.replace("DECORATOR", ""))
    assert link.kind == "opaque"
    assert not found(text.replace("DECORATOR", "@classmethod"))


def test_endings() -> None:
    endings = Endings(
        project("""
class Base:
    def close(self):
        self.a = None

class Derived(Base):
    def __init__(self):
        self.b = None

    def __exit__(self, *args):
        del self.c
        self.d.clear()
""")
    )
    place = Place("a.py", "Derived")
    assert set(endings.of(place)) == {"close", "__exit__"}
    assert [name for name in "abcd" if endings.is_cleared(place, name)] == ["a", "c", "d"]


def test_both_sides_of_a_pair_in_view() -> None:
    text = """
class Peer:
    def __init__(self, other):
        self.other = other
        self.other.peer = self

    def close(self):
        CLEAR
"""
    (link,) = found(text.replace("CLEAR", "pass"))
    assert (link.kind, link.name, link.line) == ("pair", "other", 5)
    assert not found(text.replace("CLEAR", "self.other = None"))


def test_a_local_that_is_tied_on_both_sides() -> None:
    (link,) = found("""
class Factory:
    def build(self):
        p = Protocol()
        p.factory = self
        self.protocol = p

    def stop(self): ...
""")
    assert (link.kind, link.name) == ("pair", "protocol")


def kinds(text: str) -> list[tuple[str, str, int]]:
    return [(link.kind, link.name, sum(weight for _, weight in link.cues)) for link in found(text)]


PROTOCOL = (
    "class Proto:\n"
    "    def made(self, transport):\n"
    "        self.transport = transport\n"
    "        self.parser = Parser(self)\n"
    "    def close(self):\n"
    "        self._clear()\n"
    "    def _clear(self):\n"
    "        self.transport = None\n"
)


def test_an_end_that_lets_go_of_others_counts_also_through_another_method() -> None:
    assert kinds(PROTOCOL) == [("child", "parser", 2)]


def test_an_end_that_lets_go_of_it_leaves_no_link() -> None:
    assert kinds(PROTOCOL + "        self.parser = None\n") == []


def test_what_reconnects_outlives_its_connections() -> None:
    assert kinds(PROTOCOL + "    def reconnect(self): ...\n") == [("child", "parser", 0)]
    base = "class Base:\n    def reconnect(self): ...\n"
    assert kinds(base + PROTOCOL.replace("Proto:", "Proto(Base):")) == [("child", "parser", 0)]


def test_an_endless_generator_of_its_own() -> None:
    body = "class Feed:\n    def __init__(self):\n        self.writer = self.feed()\n    def feed(self):\n"
    assert kinds(body + "        while True:\n            self.add((yield))\n") == [("knot", "writer", 1)]
    assert kinds(body + "        self.add((yield))\n") == []


def test_a_patch_that_is_put_back_is_none() -> None:
    body = "def f(make):\n    it = make()\n    saved = it.run\n    it.run = lambda: saved() or it\n"
    assert [kind for kind, _, _ in kinds(body)] == ["patched"]
    assert kinds(body + "    it.run = saved\n") == []
    inside = "    def once():\n        it.run = saved\n        return it\n    it.run = once\n"
    assert kinds("def f(make):\n    it = make()\n    saved = it.run\n" + inside) == []
    assert kinds("def f(make):\n    saved = (it := make()).run\n" + inside) == []


def test_a_callback_that_no_end_empties() -> None:
    text = (
        "class Stream:\n"
        "    def read(self, callback):\n"
        "        self._read_callback = callback\n"
        "    def watch(self, callback):\n"
        "        self._close_callback = callback\n"
        "    def _ready(self):\n"
        "        self._read_callback = None\n"
        "    def close(self):\n"
        "        self._close_callback = None\n"
    )
    assert kinds(text) == [("slot", "_read_callback", 3)]
    assert kinds(text + "        self._ready()\n") == []
