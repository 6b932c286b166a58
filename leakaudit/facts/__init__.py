"""Per-file facts without judgement, and the linked Project that answers questions about them."""
