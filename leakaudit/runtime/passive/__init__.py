"""Reading a CPython process from outside: no code in it, no stop, nothing written."""
