"""The static half's pipeline: facts, link, suspects, findings."""
