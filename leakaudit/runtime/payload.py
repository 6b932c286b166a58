"""What an injector runs in the target: a few lines that start the agent in a thread of its own."""

from __future__ import annotations

from pathlib import Path

AGENT = Path(__file__).with_name("agent.py")
CENSUS = Path(__file__).with_name("census_child.py")

# Runs in the agent's thread, so that reading and compiling do not hold up the target's main thread.
_LOADER = """
try:
    import sys
    known = frozenset(sys.modules)
    with open(directory + "/agent.py", encoding="utf-8") as file:
        exec(compile(file.read(), "leakaudit agent", "exec"), names)
    names["main"](directory, names, known)
except BaseException:
    pass
finally:
    names.clear()
"""

# It runs in the main thread and, before 3.14, in `__main__`: one expression, no names.
# Where gevent has replaced threads by its own, the real ones are among what it saved.
_STARTER = """\
try:
    (getattr(__import__('sys').modules.get('gevent.monkey'), 'saved', {{}}).get('_thread', {{}}).get('start_new_thread') or __import__('_thread').start_new_thread)(exec, ({loader!r}, {{'directory': {directory!r}, 'names': {{'__name__': 'leakaudit_agent'}}}}))
except BaseException:
    pass
"""


def payload(directory: str) -> bytes:
    """Return the source to inject; `directory` is the channel as the target sees it."""
    return _STARTER.format(loader=_LOADER, directory=directory).encode()
