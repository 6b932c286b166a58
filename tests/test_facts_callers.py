"""Who calls what: each function is found under every name that means it."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.facts.linking.linked import Caller
from leakaudit.facts.project import Project

_FILES = {
    "app/base.py": "class Base:\n    def __init__(self): ...\n    def run(self): ...\nclass Sub(Base): ...\n",
    "app/names.py": "from app.base import Base as Other\n",
    "app/use.py": """
from app.base import Base, Sub
from app.names import Other

def by_class(): return Base()
def by_subclass(): return Sub()
def by_new_name(): return Other()
def method(item: Base):
    while True:
        item.run()
def outer():
    def inner(): ...
    inner()
    hand(inner)
    hand(by_class)
by_class()
""",
}


def _callers(path: str, qualname: str) -> list[tuple[str, bool, bool]]:
    project = Project({path: extract(text) for path, text in _FILES.items()})
    index = project.function_named(path, qualname)
    assert index is not None
    return [_told(project, caller) for caller in project.callers.of(path, index)]


def _told(project: Project, caller: Caller) -> tuple[str, bool, bool]:
    function = project.function(caller.path, caller.func)
    return function.qualname if function is not None else "", caller.passed, caller.looped


def test_a_constructor_is_called_by_its_class_a_subclass_and_another_name() -> None:
    assert _callers("app/base.py", "Base.__init__") == [
        ("by_class", False, False),
        ("by_subclass", False, False),
        ("by_new_name", False, False),
    ]


def test_a_method_is_called_through_a_known_type_and_the_endless_loop_is_told() -> None:
    assert _callers("app/base.py", "Base.run") == [("method", False, True)]


def test_a_nested_function_means_something_in_its_own_function_only() -> None:
    assert _callers("app/use.py", "outer.<locals>.inner") == [("outer", False, False)]


def test_a_function_is_passed_along_and_called_at_module_level() -> None:
    assert _callers("app/use.py", "by_class") == [("outer", True, False), ("", False, False)]
