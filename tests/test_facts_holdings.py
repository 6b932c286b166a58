"""On which ways out of a function is a local still open? One small function per shape."""

from __future__ import annotations

import textwrap

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.model import Holding


def held(body: str, header: str = "def f(path, other):") -> tuple[Holding, ...]:
    text = f"import contextlib, io, socket\n{header}\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return extract(text).holdings


CLOSED = {
    "finally": "x = open(path)\ntry:\n    return x.read()\nfinally:\n    x.close()",
    "with": "x = open(path)\nwith x:\n    return x.read()",
    "closing": "x = socket.socket()\nwith contextlib.closing(x):\n    x.connect(path)",
    "returned": "x = open(path)\nreturn x",
    "returned in a tuple": "x = open(path)\nreturn path, x",
    "stored": "x = open(path)\nother.file = x",
    "made and stored at once": "other.file = x = open(path)\nother.go()",
    "put into a dict": "x = open(path)\nother[path] = x",
    "given to a constructor": "x = open(path)\nreturn Reader(x)",
    "captured": "x = open(path)\ndef g():\n    return x.read()\nreturn g",
    "closer handed on": "x = open(path)\nother.callback(x.close)",
    "entered by a stack": "x = open(path)\nother.enter_context(x)",
    "closed by a helper": "x = open(path)\ntry:\n    return x.read()\nfinally:\n    close_quietly(x)",
    "only when it was made": "x = None\ntry:\n    x = open(path)\n    x.read()\nfinally:\n    if x is not None:\n        x.close()",
    "only when it is his": "x = other\nif other is None:\n    x = open(path)\ntry:\n    x.read()\nfinally:\n    if other is None:\n        x.close()",
    "closed and raised again": "x = open(path)\ntry:\n    other.go()\nexcept OSError:\n    x.close()\n    raise\nx.close()",
    "nothing can raise or log": "x = open(path)\nself._log(path)\nx.close()",
    "nothing can raise": "x = open(path)\nn = len(path)\nx.close()",
    "risk is swallowed": "x = open(path)\nwith contextlib.suppress(OSError):\n    other.go()\nx.close()",
    "closed in the loop": "while True:\n    x = open(path)\n    x.close()",
    "tried until it works": "x = None\nwhile x is None:\n    try:\n        x = open(path)\n    except OSError:\n        x = None\nx.close()",
    "closed before it is bound anew": "x = None\nfor p in path:\n    if x is not None:\n        x.close()\n    x = open(p)\n    len(p)\nif x is not None:\n    x.close()",
    "made only once": "x = None\nfor p in path:\n    if x is None:\n        x = open(p)\n    len(p)\nx.close()",
    "collected and closed": "xs = []\nfor p in path:\n    x = open(p)\n    xs.append(x)\nfor one in xs:\n    one.close()",
    "lent to a child": "x = open(path)\ntry:\n    run(['ls'], stdout=x)\nfinally:\n    x.close()",
    "early return before it is made": "if not path:\n    return None\nx = open(path)\nx.close()",
    "only questions and settings before": "x = socket.socket()\nif other.has_port():\n    set_options(x.fileno())\nother.sock = x",
    "its base is made first": "x = open(path)\nsuper().__init__(path)\nother.file = x",
    "its socket is closed": "x = Connection(path)\nif other:\n    x.close_socket()\n    return None\nx.close()",
    "what it was made of is closed": "x = Connection(path)\nif other:\n    path.close()\n    return None\nx.close()",
    "a part of it keeps it": "x = open(path)\ny = x[other]\nreturn y",
    "its file is handed on": "x = socket.socket()\ny = x.makefile()\nreturn y",
    "one of two kinds of buffer": "if other:\n    x = io.BytesIO()\nelse:\n    x = open(path)\ntry:\n    x.write(path)\nfinally:\n    if path:\n        x.close()",
    "raised before it is made": "try:\n    if other:\n        raise ValueError(path)\n    x = open(path)\nexcept OSError:\n    raise\nx.close()",
    "not made after all": "x = open(path) if path else None\nif x is None:\n    return None\nx.close()",
}


@pytest.mark.parametrize("body", CLOSED.values(), ids=CLOSED)
def test_these_are_closed_or_somebody_elses(body: str) -> None:
    assert held(body) == ()


OPEN = {
    "never": ("x = open(path)\ndata = x.read()\nother.put(data)", "end", 3),
    "one return": ("x = open(path)\nif other:\n    return None\nx.close()", "return", 5),
    "bound anew at the end of the turn": ("for p in path:\n    x = open(p)\n    x.read()", "again", 4),
    "return after a use": ("x = open(path)\nreturn x.read()", "return", 4),
    "bound anew": (
        "for p in path:\n    x = open(p)\n    if not x.read():\n        continue\n    x.close()",
        "again",
        4,
    ),
    "foreign risk": ("x = open(path)\nother.go()\nx.close()", "raise", 4),
    "raised by itself": ("x = open(path)\nif other:\n    raise ValueError(path)\nx.close()", "raise", 5),
    "late owner": ("x = socket.socket()\nx.connect(path)\nother.sock = x", "raise", 4),
    "wrong handler": (
        "x = open(path)\ntry:\n    other.go()\nexcept OSError:\n    raise\nx.close()",
        "raise",
        5,
    ),
    "what else it was given is closed": (
        "x = Connection(path)\nif other:\n    other.close()\n    return None\nx.close()",
        "return",
        6,
    ),
    "a slice of it keeps nothing": ("x = open(path)\ny = x[1:]\nreturn y", "return", 5),
    "yield": ("x = open(path)\nyield 1\nx.close()", "raise", 4),
    "collected, one fails": (
        (
            "xs = []\nfor p in path:\n    x = socket.create_connection(p)\n    xs.append(x)\n"
            "for one in xs:\n    one.send(path)\nfor one in xs:\n    one.close()"
        ),
        "raise",
        8,
    ),
}


@pytest.mark.parametrize(("body", "how", "line"), OPEN.values(), ids=OPEN)
def test_these_are_left_open(body: str, how: str, line: int) -> None:
    (holding,) = held(body)
    assert (holding.how, holding.exit_line if how != "end" else 3) == (how, line)
    assert not holding.lent


def test_what_is_passed_on_is_open_only_if_it_is_lent() -> None:
    (holding,) = held("x = open(path)\nparse_all(x)")
    assert holding.lent
    assert holding.passed == ("parse_all",)


def test_the_result_of_what_it_is_passed_to_stands_for_it() -> None:
    (holding,) = held("x = socket.create_connection(path)\nwrapped = wrap(x)\nother.sock = wrapped")
    assert (holding.how, holding.lent, holding.risk) == ("raise", True, "wrap(x)")


def test_what_a_pool_hands_out_has_to_go_back() -> None:
    (holding,) = held("x = other.get_connection()\nother.go(path)\nother.release(x)")
    assert (holding.maker, holding.how, holding.closed) == ("?:other.get_connection", "raise", 5)


def test_the_second_of_two_is_the_writer_and_the_first_the_figure() -> None:
    (writer,) = held(
        "import asyncio\nreader, writer = await asyncio.open_connection(path)\nreturn await reader.read()",
        "async def f(path):",
    )
    assert writer.name == "writer"
    assert held("from matplotlib import pyplot as plt\nfig, ax = plt.subplots()\nreturn ax") == ()


def test_lines_that_may_raise_are_counted() -> None:
    (holding,) = held("x = open(path)\nother.a()\nother.b()\nlen(path)\nother.c()\nx.close()")
    assert holding.risks == 3


def test_deeply_nested_loops_are_given_up() -> None:
    body = (
        "x = open(path)\n"
        + "".join(f"{'    ' * n}for i{n} in other:\n" for n in range(18))
        + "    " * 18
        + "other.go()\n"
    )
    assert held(body) == ()


@pytest.mark.parametrize(
    ("raised", "caught", "left"),
    [
        ("Refused(path)", "OSError", True),
        ("Refused(path)", "Exception", False),
        ("Refused(path)", "Refused", False),
        ("Refused(path)", "(OSError, Base)", False),
        ("ConnectionError(path)", "OSError", False),
    ],
)
def test_an_exception_goes_past_handlers_for_others(raised: str, caught: str, left: bool) -> None:
    body = f"x = open(path)\ntry:\n    if not path:\n        raise {raised}\n    return x\nexcept {caught}:\n    x.close()"
    assert bool(held(body)) is left
