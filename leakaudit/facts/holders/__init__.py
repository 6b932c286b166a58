"""Who holds whom: cycles, callables that are registered, timers, finalizers, weak maps."""
