"""The parts of the second look at a walked file, each on top of the one before: base, containers, events, definitions."""
