"""The pytest plugin: a marker and a fixture that run a body repeatedly and fail when something grows per run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest

from leakaudit.errors import UsageError

MARKER = "leakaudit(rounds=5, repeat=10, warmup=10, ignore=()): run the test again and again; fail if something grows with every run"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch and the setting."""
    group = parser.getgroup("leakaudit")
    group.addoption(
        "--leakaudit-off", action="store_true", help="run what leakaudit would repeat once only, unaudited"
    )
    parser.addini("leakaudit_ignore", "dotted names whose growth is no leak", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


class Leaks:
    """What the `leakaudit` fixture gives: `leakaudit.check(body)`."""

    def __init__(self, config: pytest.Config) -> None:
        self._off, self._ignored = config.getoption("leakaudit_off"), config.getini("leakaudit_ignore")

    def check(
        self,
        body: Callable[[], object],
        *,
        rounds: int = 5,
        repeat: int = 10,
        warmup: int = 10,
        ignore: Sequence[str] = (),
    ) -> None:
        """Run a body again and again; fail the test if something grows with every run."""
        __tracebackhide__ = True
        from leakaudit.testing.rounds import Plan

        if self._off:
            body()
            return
        try:
            plan = Plan(rounds, repeat, warmup)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        _repeated(body, plan, (*self._ignored, *_names(ignore)), getattr(body, "__qualname__", "the body"))()


@pytest.fixture
def leakaudit(pytestconfig: pytest.Config) -> Leaks:
    """Check that nothing grows with every run of a body: `leakaudit.check(lambda: handle(request))`."""
    return Leaks(pytestconfig)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, None]:
    """Let a marked test run again and again; plugins that await or adapt it see one function as before."""
    mark = pyfuncitem.get_closest_marker("leakaudit")
    if mark is None or pyfuncitem.config.getoption("leakaudit_off"):
        yield
        return
    body = pyfuncitem.obj
    plan, ignore = _plan(mark)
    ignored = (*pyfuncitem.config.getini("leakaudit_ignore"), *ignore)
    pyfuncitem.obj = _repeated(body, plan, ignored, pyfuncitem.name)
    try:
        yield
    finally:
        pyfuncitem.obj = body


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse the marker where pytest does not call the function itself."""
    for item in items:
        mark = item.get_closest_marker("leakaudit")
        if mark is None:
            continue
        if getattr(getattr(item, "cls", None), "runTest", None) or hasattr(item, "_testcase"):
            raise pytest.UsageError(
                f"{item.nodeid}: the leakaudit marker cannot repeat a unittest method; "
                "repeat the body in it: `leakaudit.testing.check.check(self.body)`"
            )
        try:
            _plan(mark)
        except pytest.UsageError as error:
            raise pytest.UsageError(f"{item.nodeid}: {error}") from None


def _plan(mark: pytest.Mark) -> tuple[Any, Sequence[str]]:
    from leakaudit.testing.rounds import Plan

    options = dict(mark.kwargs)
    ignore = _names(options.pop("ignore", ()))
    unknown = ", ".join(sorted(set(options) - {"rounds", "repeat", "warmup"}))
    if unknown or mark.args:
        raise pytest.UsageError(f"the leakaudit marker does not know {unknown or mark.args}; it is {MARKER}")
    try:
        return Plan(**options), ignore
    except UsageError as error:
        raise pytest.UsageError(f"in the leakaudit marker, {error}") from None


def _names(ignore: Sequence[str]) -> Sequence[str]:
    return (ignore,) if isinstance(ignore, str) else tuple(ignore)


def _repeated(body: Callable[..., Any], plan: Any, ignored: Sequence[str], name: str) -> Callable[..., Any]:
    """Return a function, or a coroutine function where the body is one, that repeats the body and judges."""
    from leakaudit.testing.check import OTHERS, verdict
    from leakaudit.testing.heap import Heap
    from leakaudit.testing.rounds import calls

    heap = Heap((*OTHERS, *ignored))

    def end() -> None:
        __tracebackhide__ = True
        told = verdict(heap, plan, name)
        if told:
            pytest.fail(told, pytrace=False)

    def repeat(*arguments: Any, **named: Any) -> None:
        __tracebackhide__ = True
        for _ in calls(plan, heap.count):
            body(*arguments, **named)
        end()

    async def repeat_coroutine(*arguments: Any, **named: Any) -> None:
        __tracebackhide__ = True
        for _ in calls(plan, heap.count):
            await body(*arguments, **named)
        end()

    return functools.wraps(body)(repeat_coroutine if inspect.iscoroutinefunction(body) else repeat)
