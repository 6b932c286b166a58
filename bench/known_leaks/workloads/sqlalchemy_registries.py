"""Tenants that each have their own mapped classes."""

import time

from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

print("READY", flush=True)
end, i = time.monotonic() + 150, 0
while time.monotonic() < end:
    i += 1
    base = declarative_base()
    names = {"__tablename__": "rows", "__module__": f"tenant{i}", "id": Column(Integer, primary_key=True)}
    row = type("Row", (base,), names)
    base.registry.dispose()
    del base, row
    time.sleep(0.03)
