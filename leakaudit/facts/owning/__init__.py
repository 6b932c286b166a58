"""Who has to close what, and does not: attributes, locals, temporaries, child processes."""
