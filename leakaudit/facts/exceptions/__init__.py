"""Exceptions that stay, with the frames of their tracebacks."""
