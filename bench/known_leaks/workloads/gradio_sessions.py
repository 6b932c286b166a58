"""Visitors of a web application that keeps the state of the last fifty."""

import time

import gradio

with gradio.Blocks() as page:
    gradio.Textbox()
page.state_session_capacity = 50
_, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, share=False)
page.state_holder.capacity = 50

print("READY", flush=True)
end, i = time.monotonic() + 150, 0
while time.monotonic() < end:
    i += 1
    page.state_holder[f"visitor{i}"]
    time.sleep(0.01)
