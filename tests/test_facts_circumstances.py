"""What turns a container that grows into a harmless one: each case beside the leak that it would else be."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.growth import judge
from leakaudit.facts.project import Project

MEDIUM = 3


def score(text: str, name: str, path: str = "app/server.py") -> int:
    """The score of the container of that name; -99 where something really bounds it."""
    folders = [f"app/{folder}/__init__.py" for folder in ("", "examples", "testing", "cli")]
    project = Project({path: extract(text), **{f.replace("//", "/"): extract("") for f in folders}})
    subject = next(s for s in project.subjects.values() if s.name == name)
    growth = judge.growing(project, subject)
    return growth.score if growth is not None else -99


LEAK = """
seen = []

def handle_request(request):
    {first}
    seen.append(request.job_id)
"""


def test_the_plain_list_is_a_suspect() -> None:
    assert score(LEAK.format(first="request.check()"), "seen") >= MEDIUM


@pytest.mark.parametrize("test", ["if seen: return", "if len(seen): return"])
def test_what_is_filled_only_while_empty_is_none(test: str) -> None:
    assert score(LEAK.format(first=test), "seen") < MEDIUM


def test_what_is_asked_before_it_is_added_counts_by_its_values() -> None:
    text = "seen = []\ndef handle_request(request):\n    if request.mode in seen: return\n    seen.append(request.mode)\n"
    assert score(text, "seen") < MEDIUM
    assert score(text.replace("in seen", "in known"), "seen") >= MEDIUM


@pytest.mark.parametrize("path", ["app/examples/server.py", "app/testing/server.py", "app/cli/server.py"])
def test_examples_commands_and_helpers_of_tests_count_less(path: str) -> None:
    text = LEAK.format(first="request.check()")
    assert score(text, "seen", path) < score(text, "seen")


CLASS = """
class Manager:
    def __init__(self):
        self.jobs = {{}}

    def handle_request(self, request):
        self.jobs[{key}] = request

{rest}
"""


def test_a_member_of_an_enum_is_one_of_few() -> None:
    assert score(CLASS.format(key="request.job_id", rest=""), "jobs") >= MEDIUM
    assert score(CLASS.format(key="Color.red.value", rest=""), "jobs") < MEDIUM


def test_a_helper_that_is_given_the_container_empties_it() -> None:
    helper = "    def finish(self, request):\n        self._discard(self.jobs, request.job_id)\n"
    assert score(CLASS.format(key="request.job_id", rest=helper), "jobs") == -99


def test_what_a_loop_empties_is_no_end_of_its_owner() -> None:
    clear = "    def clear(self):\n        self.jobs.clear()\n"
    loop = "    def run(self):\n        while True:\n            self.wait()\n            self.clear()\n"
    assert score(CLASS.format(key="request.job_id", rest=clear + loop), "jobs") == -99
    assert score(CLASS.format(key="request.job_id", rest=clear), "jobs") > -99


def test_what_a_copy_gains_stays_its_own() -> None:
    text = "seen = []\ndef handle_request(request):\n    mine = {}\n    mine.append(request.job_id)\n"
    assert score(text.format("seen"), "seen") >= MEDIUM
    assert score(text.format("seen.copy()"), "seen") == -99
    assert score(text.format("list(seen)"), "seen") == -99


def test_a_method_that_only_the_constructor_calls_fills_and_does_not_grow() -> None:
    text = """
class Manager:
    def __init__(self, names):
        self.jobs = {}
        for name in names:
            self.add(name)

    def add(self, job_id):
        self.jobs[job_id] = 1
"""
    assert score(text, "jobs") < MEDIUM
    called = text + "\ndef handle_request(manager: Manager, request):\n    manager.add(request.job_id)\n"
    assert score(called, "jobs") >= MEDIUM


def test_a_metaclass_puts_in_classes() -> None:
    text = "class Meta({}):\n    made = {{}}\n    def __call__(cls):\n        Meta.made[cls] = 1\n"
    assert score(text.format("type"), "made") < MEDIUM


def test_a_queue_that_is_handed_over_has_a_consumer() -> None:
    text = """
import asyncio

class Client:
    def __init__(self):
        self.events = asyncio.Queue()
        {start}

    def handle_event(self, event):
        self.events.put_nowait(event)
"""
    handed = text.format(start="start_consumer(self.events)")
    assert score(handed, "events") <= score(text.format(start="pass"), "events") - 4


def test_which_end_popitem_takes_from_is_no_key() -> None:
    tick = "    def tick(self):\n        self.jobs.{}\n"
    last, popped = (tick.format(take) for take in ("popitem(False)", "pop('last', None)"))
    assert score(CLASS.format(key="request.job_id", rest=last), "jobs") == -99
    assert score(CLASS.format(key="request.job_id", rest=popped), "jobs") >= MEDIUM


@pytest.mark.parametrize("use", ["{'jobs': seen}", "[seen]", "{1} | seen", "seen"])
def test_what_becomes_part_of_something_else_is_read(use: str) -> None:
    plain = LEAK.replace("[]", "set()").replace("append", "add").format(first="request.check()")
    told = score(f"{plain}\ndef show():\n    x = {use}\n    return 1\n", "seen")
    assert told == score(plain, "seen") - (1 if use != "seen" else 0)


def test_the_id_of_a_part_of_the_program_is_one_of_few() -> None:
    assert score(CLASS.format(key="request.handler_id", rest=""), "jobs") < MEDIUM
    assert score(CLASS.format(key="request.session_id", rest=""), "jobs") >= MEDIUM


def test_another_module_asks_by_its_own_name_for_the_list() -> None:
    text = (
        "seen = []\ndef handle_request(request):\n    if request.mode not in {}: seen.append(request.mode)\n"
    )
    assert score(text.format("app.server.seen"), "seen") < MEDIUM
    assert score(text.format("app.server.known"), "seen") >= MEDIUM


def test_what_finally_takes_out_needs_nobody_to_ask() -> None:
    text = "    def get(self, job_id):\n        try:\n            return self.jobs[job_id]\n        {}:\n            self.jobs.pop(job_id)\n"
    assert score(CLASS.format(key="request.job_id", rest=text.format("finally")), "jobs") == -99
    assert score(CLASS.format(key="request.job_id", rest=text.format("except KeyError")), "jobs") >= MEDIUM


@pytest.mark.parametrize(
    ("over", "told"), [("db.messages()", True), ("db.cursor", False), ("db.execute('q')", False)]
)
def test_an_async_for_over_what_is_there_comes_to_an_end(over: str, told: bool) -> None:
    text = f"seen = []\nasync def load_all(db):\n    async for row in {over}:\n        seen.append(row)\n"
    assert (score(text, "seen") >= MEDIUM) is told


def test_an_iterator_ends_with_what_it_runs_over() -> None:
    rest = "    def work(self):\n        while True:\n            self.handle_request(1)\n"
    text = CLASS.format(key="request.job_id", rest=rest).replace("Manager", "Normaliser")
    assert score(text.replace("work", "__next__"), "jobs") < score(text, "jobs")


def test_what_fills_the_object_that_it_has_just_made_adds_nothing() -> None:
    text = CLASS.format(key="'x'", rest="")
    replay = "class Replay:\n    def handle(self, request):\n        self.manager = {}\n        self.manager.jobs[request.job_id] = 1\n"
    assert score(text + replay.format("Manager()"), "jobs") < MEDIUM
    kept = replay.format("Manager()").replace("self.manager =", "self.manager = self.manager or")
    assert score(text + kept, "jobs") >= MEDIUM


def test_a_coroutine_that_is_run_to_its_end_is_no_event() -> None:
    text = "import asyncio\nseen = []\nasync def work(request):\n    seen.append(request)\n\n"
    run, awaited = "def go(x):\n    asyncio.run(work(x))\n", "async def go(x):\n    await work(x)\n"
    assert score(text + run, "seen") < score(text + awaited, "seen")


@pytest.mark.parametrize("name", ["app_lifespan", "proxy_startup_event", "lifespan"])
def test_what_starts_a_program_up_runs_once(name: str) -> None:
    text = "seen = []\nasync def {}(app):\n    seen.append(app)\n"
    assert score(text.format(name), "seen") < MEDIUM <= score(text.format("receive"), "seen")


def test_a_loop_over_several_containers_takes_out_of_each() -> None:
    rest = "    def forget(self, job_id):\n        for each in {}:\n            del each[job_id]\n"
    assert (
        score(CLASS.format(key="request.job_id", rest=rest.format("[self.jobs, self.others]")), "jobs") == -99
    )
    assert (
        score(CLASS.format(key="request.job_id", rest=rest.format("[self.more, self.others]")), "jobs")
        >= MEDIUM
    )


def test_a_bare_event_is_the_name_of_one() -> None:
    text = CLASS.format(key="event", rest="").replace("request", "event")
    assert score(text, "jobs") < MEDIUM <= score(text.replace("[event]", "[event.id]"), "jobs")


def test_what_the_members_of_a_set_are_given_does_not_grow_it() -> None:
    text = "sinks = set()\ndef handle_message(message):\n    for sink in sinks:\n        sink.push(message)\n"
    assert score(text, "sinks") == -99
    assert score(text.replace("set()", "{}").replace("in sinks", "in sinks.values()"), "sinks") > -99


def test_a_key_that_names_nothing_has_no_siblings() -> None:
    rest = "        self.others[{0}] = 1\n\n    def finish(self, {0}):\n        self.others.pop({0})\n"
    text = CLASS.replace("[{key}] = request\n\n", "[{key}] = request\n").replace(
        "{{}}", "{{}}\n        self.others = {{}}"
    )
    told = [score(text.format(key=key, rest=rest.format(key)), "jobs") for key in ("job_id", "id")]
    assert told[0] == told[1] + 3


def test_a_reset_of_what_is_named_is_no_end_of_the_owner() -> None:
    rest = (
        "    def reset_jobs(self, names):\n        for name in {}:\n            self.jobs.pop(name, None)\n"
    )
    assert score(CLASS.format(key="request.job_id", rest=rest.format("names")), "jobs") == -99
    assert score(CLASS.format(key="request.job_id", rest=rest.format("list(self.jobs)")), "jobs") > -99


def test_a_list_of_its_own_in_another_branch_is_not_the_entry() -> None:
    entry = "    {}found, when = cache.get(request.mode, ([], 0))\n    found.append(request)\n"
    text = "cache = {{}}\ndef handle_request(request):\n    found = {}\n"
    assert score(text.format("[]") + entry.format("if request.raw: "), "cache") == -99
    assert score(text.format("None") + entry.format(""), "cache") > -99


def test_a_command_of_a_command_line_is_no_event() -> None:
    text = "from app import {0}\nseen = []\n@{0}.command()\ndef licence(key):\n    seen.append(key)\n"
    assert score(text.format("admin"), "seen") < score(text.format("bot"), "seen")


def test_what_an_event_replaces_does_not_last() -> None:
    prompt = "class Prompt:\n    def __init__(self):\n        self.choices = []\n    def {0}(self, text):\n        self.choices.append(text)\n"
    plugin = "class PluginServer:\n    def {}(self, event):\n        self.prompt = Prompt()\n    def serve_forever(self): ...\n"
    text = prompt.format("handle_choice")
    assert score(text + plugin.format("handle_event"), "choices") < score(
        text + plugin.format("__init__"), "choices"
    )


def test_a_function_that_is_given_it_takes_entries_out() -> None:
    rest = "    def finish(self, request):\n        settle(self.jobs, request.job_id)\n"
    settle = "\ndef settle(jobs, job_id):\n    {}\n"
    text = CLASS.format(key="request.job_id", rest=rest)
    assert score(text + settle.format("del jobs[job_id]"), "jobs") == -99
    assert score(text + settle.format("jobs[job_id].settle()"), "jobs") >= MEDIUM


def test_what_leaves_a_waiting_room_goes_somewhere() -> None:
    rest = "        self.{0}[request.job_id] = 1\n\n    def finish(self, request):\n        self.{0}.pop(request.job_id)\n"
    text = CLASS.replace("[{key}] = request\n\n", "[{key}] = request\n").replace(
        "{{}}", "{{}}\n        self.{other} = {{}}"
    )
    names = ("pending_jobs", "active_jobs")
    told = [score(text.format(key="request.job_id", other=n, rest=rest.format(n)), "jobs") for n in names]
    assert told[0] == told[1] - 3
