"""Find what grows each time that a piece of a test is run."""
