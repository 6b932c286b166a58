"""Home-made caching decorators."""

from __future__ import annotations

from leakaudit.facts.caching.memoizers import memoizers, widest
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project

MEMOIZE = """
def memoize(function):
    known = {}

    def wrapper(*args):
        if args not in known:
            known[args] = function(*args)
        return known[args]

    return wrapper
"""


def project(text: str) -> Project:
    return Project({"a.py": extract(text)})


def test_the_dict_and_the_functions_under_it_are_found() -> None:
    linked = project(MEMOIZE + "@memoize\ndef order(order_id): ...\n\ndef other(): ...\n")
    (memoizer,) = memoizers(linked)
    assert (memoizer.subject.name, memoizer.function.name) == ("known", "memoize")
    assert [linked.files[path].functions[index].name for path, index in memoizer.wrapped] == ["order"]
    assert widest(linked, memoizer).value == "fresh"


def test_decorators_with_arguments_are_followed_to_the_outermost_function() -> None:
    inner = MEMOIZE.replace("\n", "\n    ").rstrip() + "\n"
    linked = project(
        f"def limited(size):{inner}    return memoize\n\n@limited(3)\ndef order(order_id): ...\n"
    )
    (memoizer,) = memoizers(linked)
    assert memoizer.function.name == "limited"
    assert len(memoizer.wrapped) == 1


def test_methods_make_instances_part_of_the_keys() -> None:
    linked = project(MEMOIZE + "class Report:\n    @memoize\n    def total(self): ...\n")
    (memoizer,) = memoizers(linked)
    assert widest(linked, memoizer).value == "fresh"


def test_an_unused_memoizer_is_finite() -> None:
    linked = project(MEMOIZE)
    (memoizer,) = memoizers(linked)
    assert widest(linked, memoizer).value == "finite"


def test_a_bounded_memoizer_and_a_constant_key_are_none() -> None:
    bounded = MEMOIZE.replace(
        "            known[args] =",
        "            if len(known) > 9:\n                known.popitem()\n            known[args] =",
    )
    constant = MEMOIZE.replace("known[args]", "known['value']")
    assert list(memoizers(project(bounded))) == []
    assert list(memoizers(project(constant))) == []
