"""Results that are waited for with a callback, and forgotten."""

import time
import uuid

from celery import Celery
from celery.backends.rpc import RPCBackend


class Results(RPCBackend):
    """Replies by message, which there is nothing to delete of."""

    def _forget(self, task_id):
        pass


app = Celery("worker", broker="memory://", backend="__main__:Results")
print("READY", flush=True)
end = time.monotonic() + 150
while time.monotonic() < end:
    result = app.AsyncResult(str(uuid.uuid4()))
    result.then(print)
    result.forget()
    time.sleep(0.01)
