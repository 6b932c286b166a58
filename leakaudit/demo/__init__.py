"""The federated server that `leakaudit demo` audits: where it lies, and how it is started and stopped."""
