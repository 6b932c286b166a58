"""Attach to a live process, watch what the findings name, and say what grew."""
