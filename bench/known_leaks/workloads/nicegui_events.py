"""A page that makes an event per visit, and drops it."""

import time

from nicegui import Event

print("READY", flush=True)
end = time.monotonic() + 150
while time.monotonic() < end:
    event = Event()
    event.emit()
    time.sleep(0.01)
