"""Applications that are made, asked for a setting, and dropped, as tests and tenants do."""

import sys
import time

from celery import Celery

print("READY", flush=True)
end, i = time.monotonic() + 150, 0
while time.monotonic() < end:
    i += 1
    app = Celery(f"tenant{i}", broker="memory://", backend="cache+memory://", set_as_current=False)
    print(app.conf.task_default_queue, app.amqp.default_queue, file=sys.stderr)
    time.sleep(0.05)
