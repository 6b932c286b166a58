"""The files of a project put together: modules, callers, what a name means elsewhere."""
