"""Names of calls that register a callable, that forget it, and that take it out again. Data, and how to read it."""

from __future__ import annotations

import re

from leakaudit.facts.answers import words

#: Callees that look like registrations but run the callable once and forget it, or hold it weakly by default.
FORGETTING = re.compile(
    r"^(on_commit|add_(job|timeout|future|task|argument|route|url_rule|middleware|command|subparser|parser|executor_job|node|edge|resource|view|api_route|signal_handler|reader|writer|"
    r"background_task|cleanup|extension|option|field|column|callback_from_signal|child|children|system_message|server|periodic_task|hassio_\w+)|"
    r"\w*threadsafe\w*|call_\w+|\w*done_callback|add_callbacks|add_next_tick_callback|registerAs|set_\w*(result|exception|value|state|attribute|timer|timeout|interval|name|level|defaults?|text|debug)|spawn_callback|add_event_loop_\w+|"
    r"install_\w+|bind_\w+|observe_\w*|append|appendleft|insert|put|put_nowait|setdefault|add|extend|then|finalize|receiver|connect|on_off|addCallbacks?|addErrback|addBoth|addCleanup|"
    r"attach_function|watch_function|run_\w+|add_to_\w+|set_defaults|bind)$"
)
UNDO = frozenset(
    "remove un unregister deregister unsubscribe off discard detach disconnect dispose cancel clear delete del reset pop unlisten unwatch unbind unhook "
    "unobserve stop close release drop unlink".split()
)
#: Ends of the registry itself: too late for a callable that served one call.
_ENDINGS = frozenset("close stop release cancel dispose".split())
_PLAIN_UNDO = frozenset(
    "unregister deregister unsubscribe off detach disconnect dispose unlisten unwatch unhook unobserve".split()
)
#: Registries of the standard library that have no way to take a callable out again.
FINAL = ("register_after_fork", "register_at_fork", "addaudithook")
#: Methods that wait for what a callback tells.
WAITS = frozenset("wait result get join acquire recv".split())
#: Finalizers have a rule of their own.
ELSEWHERE = frozenset({"x:atexit.register", "x:weakref.finalize"})
#: `app.on_shutdown.append(f)`: putting into a list of another object registers when the list is named so.
PUTS = frozenset({"append", "add", "insert", "appendleft"})
HOOKS = re.compile(
    r"^on_[a-z]|(handlers|callbacks|listeners|hooks|observers|subscribers|cbs|watchers|signals|finalizers)$"
)
#: Words for what outlives its users.
LASTING = frozenset(
    "client app application server bus hub manager engine parent page window document broker context registry dispatcher emitter signals events "
    "scheduler reactor pool root runtime hass bot kernel controller bridge gateway coordinator".split()
)
SLOT = re.compile(r"^(register|set|add|install)(_\w+)?$")
EVENTS = re.compile(r"listener|subscriber|observer|watcher")
ONCE = re.compile(
    r"^(not )?(self\.)?\w*(registered|installed|initialized|initialised|subscribed|connected|started|setup_done|_done|hooked)\w*$|^not hasattr\(|^not .* in "
)
CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__", "__attrs_post_init__"})
#: Receivers that run what they are given once.
LOOPS = frozenset("loop io_loop ioloop _loop event_loop future fut deferred d reactor".split())
_VERBS = frozenset(
    "add register on subscribe listen watch observe hook attach install set connect bind async".split()
)


def takes_out(name: str, pinned: bool) -> bool:
    """Tell whether a method of the registry takes callables out again; its own end does for those of an instance."""
    first = [word for word in words(name) if word != "async"][:1]
    return bool({*first} & (UNDO if pinned else UNDO - _ENDINGS))


def undoes(name: str, verb: str) -> bool:
    """Tell whether a call of `name` takes out what a call of `verb` put in."""
    parts = words(name)
    if not parts or not (set(parts[:2]) & UNDO or parts[0].startswith("un")):
        return False
    if len(verb) > 2 and name.lower().endswith(verb.lower()):
        return True
    nouns = set(words(verb)) - _VERBS
    nouns |= {noun.removesuffix("s") for noun in nouns} | {f"{noun}s" for noun in nouns}
    rest = set(parts) - UNDO - {"async", "all"}
    if nouns & rest:
        return True
    generic = not rest - {"listener", "handler", "callback", "observer", "listeners"}
    return generic and (parts[0] in _PLAIN_UNDO or parts[0].startswith("un") or (bool(rest) and not nouns))
