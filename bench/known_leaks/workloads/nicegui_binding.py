"""An object with a bindable property that is set again and again."""

import time

from nicegui import binding


class Meter:
    """What a page shows."""

    value = binding.BindableProperty()

    def __init__(self):
        self.value = 0.0


meter = Meter()
print("READY", flush=True)
end = time.monotonic() + 150
while time.monotonic() < end:
    meter.value += 1.0
    time.sleep(0.01)
