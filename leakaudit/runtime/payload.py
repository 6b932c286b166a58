"""What an injector runs in the target: a few lines that start the agent in a thread of its own."""

from __future__ import annotations

# Runs in the agent's thread. Compiling keeps the interpreter lock, so it is done definition by definition; what two
# blank lines part is whole, as every formatter sees to. The number is that of `from __future__ import annotations`.
# A program that has opened a door of its own (`leakaudit.agent`) gives functions to use instead of the agent's.
LOADER = """
try:
    import sys
    known = frozenset(sys.modules)
    with open(directory + "/agent.py", encoding="utf-8") as file:
        text = file.read()
    line = 0
    for part in text.split("\\n\\n\\n"):
        exec(compile("\\n" * line + part, "leakaudit agent", "exec", 0x1000000, True), names)
        line += part.count("\\n") + 3
        names.get("nap", int)(0.001)
    names.update(names.pop("instead", ()))
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
    return _STARTER.format(loader=LOADER, directory=directory).encode()
