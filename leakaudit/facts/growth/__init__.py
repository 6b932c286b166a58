"""The four answers about a container that grows, lifetime, context, key and cleanup, and their weighing."""
