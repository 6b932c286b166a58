"""What tells that entries were meant to go, though nothing takes them out; and the clean-up that looks like one."""

from __future__ import annotations

import textwrap

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.growth import judge
from leakaudit.facts.project import Project


def story(code: str, name: str) -> tuple[str, str]:
    """Return the grade of a container's cleanup, and the near-miss among its evidence."""
    project = Project({"a.py": extract(textwrap.dedent(code))})
    subject = next(s for s in project.subjects.values() if s.name == name)
    growth = judge.growing(project, subject)
    if growth is None:
        return project.cleanup(subject).grade, ""
    told = [e.value for e in growth.evidence if e.fact in ("sibling", "value")]
    return growth.cleanup.grade, told[0] if told else ""


HUB = """
class Hub:
    def __init__(self):
        self.wants = {{}}

    def handle_wish(self, client_id, key):
        self.wants[client_id] = key

    def {name}(self, client_id):
        {body}

    def forget(self, client_id):
        self.wants.pop(client_id, None)
"""


@pytest.mark.parametrize("name", ["remove_client", "on_client_left", "async_disconnect_client"])
def test_a_method_that_ends_what_the_key_stands_for_and_leaves_the_entry(name: str) -> None:
    code = HUB.replace("self.wants.pop(client_id, None)", "pass").format(name=name, body="print(client_id)")
    assert story(code, "wants") == ("none", name)


@pytest.mark.parametrize(
    ("name", "body"), [("remove_client", "self.forget(client_id)"), ("add_client", "print(client_id)")]
)
def test_a_method_that_takes_it_out_or_ends_nothing(name: str, body: str) -> None:
    assert story(HUB.format(name=name, body=body), "wants") == ("paired", "")


CHILD = """
class Channel:
    def __init__(self, connection):
        self.connection = connection

    def {method}(self): ...

class Connection:
    def __init__(self):
        self.channels = []

    def channel(self):
        channel = Channel({given})
        self.channels.append(channel)
        return {returned}
"""


@pytest.mark.parametrize(
    ("method", "given", "returned", "told"),
    [
        ("close", "self", "channel", "child"),
        ("describe", "self", "channel", ""),
        ("close", "1", "channel", ""),
        ("close", "self", "None", ""),
    ],
)
def test_what_is_opened_for_the_caller_and_never_taken_out(
    method: str, given: str, returned: str, told: str
) -> None:
    assert story(CHILD.format(method=method, given=given, returned=returned), "channels") == ("none", told)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("Future()", "one-shot"),
        ("weakref.ref(key)", "weak reference"),
        ("weakref.ref(key, self.gone)", ""),
        ("key", ""),
    ],
)
def test_what_the_entries_are(value: str, told: str) -> None:
    code = f"""
    class Lock:
        def __init__(self):
            self.waiters = []

        def acquire(self, key):
            waiter = {value}
            self.waiters.append({value if "weakref" in value else "waiter"})
    """
    assert story(code, "waiters") == ("none", told)


SHARED = """
class Provider:
    readers = set()

    def __init__(self, config):
        for reader in config.readers:
            self.readers.add(reader)

    def {method}(self):
        {body}
"""


@pytest.mark.parametrize(
    ("method", "body", "found"),
    [
        ("shutdown", "print()", ("none", "shutdown")),
        ("shutdown", "self.readers.discard(self)", ("paired", "")),
        ("describe", "print()", ("none", "")),
    ],
)
def test_what_every_instance_adds_to_what_all_share(method: str, body: str, found: tuple[str, str]) -> None:
    assert story(SHARED.format(method=method, body=body), "readers") == found


SAVE = """
class Save:
    def __init__(self, stream):
        self.stream = stream
        self.active = set()

    def handle_start(self, flow):
        if self.stream:
            self.active.add(flow)

    def handle_request(self, flow):
        {adds}

    def handle_end(self, flow):
        if not self.stream:
            return
        self.active.discard(flow)
"""


@pytest.mark.parametrize(
    ("adds", "grade"),
    [
        ("self.active.add(flow)", "skipped"),
        ("self.stream and self.log(flow)", "paired"),
        ("self.active.update(self.load())", "paired"),
    ],
)
def test_removals_that_ask_first_where_an_addition_does_not(adds: str, grade: str) -> None:
    assert story(SAVE.format(adds=adds), "active") == (grade, "")


@pytest.mark.parametrize(
    ("test", "grade"),
    [
        ("if self.cache is None:", "none"),
        ("if not self.cache:", "none"),
        ("if not hasattr(self, 'cache'):", "none"),
        ("if self.cache is not None:", "paired"),
        ("if key:", "paired"),
    ],
)
def test_what_is_made_when_it_is_first_needed_is_not_made_anew(test: str, grade: str) -> None:
    code = f"""
    class Lookup:
        def find(self, key):
            {test}
                self.cache = {{}}
            self.cache[key] = 1
    """
    assert story(code, "cache") == (grade, "")


@pytest.mark.parametrize(("length", "grade"), [("self.log", "bound"), ("self.log[key]", "paired")])
def test_a_limit_for_one_entry_is_none_for_all(length: str, grade: str) -> None:
    code = f"""
    class Log:
        def __init__(self):
            self.log = {{}}

        def handle_line(self, key, line):
            self.log.setdefault(key, []).append(line)
            if len({length}) > 10:
                del self.log[key]
    """
    assert story(code, "log") == (grade, "")


CALLS = """
class Calls:
    def __init__(self):
        self.started = {{}}
        self.names = {{}}

    def handle_call(self, request):
        self.started[request.id] = 1
        {first}

    def handle_name(self, request):
        {second}

    def handle_end(self, ended):
        self.started.pop(ended.request_id)
"""
NAMED = "self.names[request.id] = request.name"


@pytest.mark.parametrize(("first", "second", "told"), [(NAMED, "print()", "started"), ("print()", NAMED, "")])
def test_what_gains_the_same_keys_together_and_loses_them(first: str, second: str, told: str) -> None:
    assert story(CALLS.format(first=first, second=second), "names") == ("none", told)


TIMER = """
class Timer:
    def __init__(self):
        self.started = {{}}

    def handle(self, player):
        self.started[player.token] = player.time

    def sweep(self, token):
        {body}
"""


@pytest.mark.parametrize(
    "body",
    [
        "for other in self.started: self.started[other] = None",
        "for other, at in self.started.items(): self.started[other] = None",
        "if token in self.started: self.started[token] = None",
        "if self.started[token] is not None: self.started[token] = None",
    ],
)
def test_an_entry_that_is_set_to_none_instead_of_taken_out(body: str) -> None:
    assert story(TIMER.format(body=body), "started") == ("none", "blanked")


@pytest.mark.parametrize(
    "body",
    [
        "self.started[token] = None",
        "if token not in self.started: self.started[token] = None",
        "if token in self.started: self.started[token] = 0",
    ],
)
def test_an_entry_that_begins_with_none_or_changes(body: str) -> None:
    assert story(TIMER.format(body=body), "started") == ("none", "")
