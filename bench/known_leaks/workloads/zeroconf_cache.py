"""Devices that announce themselves, and leave."""

import time

from zeroconf import _CLASS_IN, _TYPE_TXT, DNSCache, DNSText

cache = DNSCache()
print("READY", flush=True)
end, i = time.monotonic() + 150, 0
while time.monotonic() < end:
    i += 1
    record = DNSText(f"device-{i}.local.", _TYPE_TXT, _CLASS_IN, 120, b"v=1")
    cache.add(record)
    cache.remove(record)
    time.sleep(0.01)
