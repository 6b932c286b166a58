"""Run code in a live CPython that never agreed to it, without harming it."""
