"""From the text of one file to raw facts: the walk over its syntax, its scopes, names and expressions."""
