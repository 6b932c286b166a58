"""Per-file facts without judgement, and the linked Project that answers questions about them.

`reading` and `flow` make the facts of one file (`extract.py`, `model.py`). `linking` puts files together (`project.py`).
`growth` answers the four questions about a container. The others answer those of a family of rules: `holders`,
`exceptions`, `caching`, `telemetry`, `owning`, `concurrency`.
"""
