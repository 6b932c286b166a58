"""A small web application that answers requests."""

import itertools
import json
import time
import urllib.request

import gradio

with gradio.Blocks() as page:
    box = gradio.Textbox()
    box.submit(lambda text: text.upper(), box, box, api_name="shout")

_, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, share=False)


def call(number):
    """Ask once, and read the answer."""
    body = json.dumps({"data": [f"hello {number}"], "session_hash": f"visitor{number}"}).encode()
    request = urllib.request.Request(
        f"{url}gradio_api/call/shout", body, {"Content-Type": "application/json"}
    )
    event = json.load(urllib.request.urlopen(request))["event_id"]
    urllib.request.urlopen(f"{url}gradio_api/call/shout/{event}").read()


call(0)
print("READY", flush=True)
end = time.monotonic() + 150
for number in itertools.count(1):
    if time.monotonic() > end:
        break
    call(number)
    time.sleep(0.02)
