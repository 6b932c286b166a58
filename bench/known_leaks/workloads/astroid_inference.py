"""A linter that infers the type of a named tuple, file after file."""

import time

import astroid

SOURCE = """
from collections import namedtuple
Point = namedtuple("Point", ["x", "y"])
point = Point({0}, 2)
"""

print("READY", flush=True)
end, i = time.monotonic() + 150, 0
while time.monotonic() < end:
    i += 1
    module = astroid.parse(SOURCE.format(i))
    list(module["Point"].inferred())
    time.sleep(0.05)
