"""The parts of the walk over a file's ast, each on top of the one before: base, expressions, bindings, flow, definitions."""
