"""Loggers, their handlers, and metrics with labels."""
