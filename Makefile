# The front door. Each target makes the virtual environment that it needs; PYTHON=... picks the interpreter,
# ARGS=... is passed on.

SHELL := /bin/sh
DEMO_VENV := .venv-demo
VENV := .venv
export PYTHON

.PHONY: help demo test check format clean

help:
	@echo 'make demo    audit a leaking federated server, live, on this machine'
	@echo 'make test    run the tests'
	@echo 'make check   format, lint, types, and leakaudit on its own source'
	@echo 'make format  let ruff format and mend the source'
	@echo 'make clean   remove the virtual environments and caches'

demo: $(DEMO_VENV)/.ready
	$(DEMO_VENV)/bin/leakaudit demo $(ARGS)

test: $(VENV)/.ready
	$(VENV)/bin/python -m pytest $(ARGS)

check: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy leakaudit
	$(VENV)/bin/mypy --explicit-package-bases rules/*.py
	$(VENV)/bin/leakaudit scan leakaudit rules

format: $(VENV)/.ready
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .leakaudit_cache

$(DEMO_VENV)/.ready: pyproject.toml tools/venv
	tools/venv $(DEMO_VENV) -e '.[demo]'
	@touch $@

$(VENV)/.ready: pyproject.toml tools/venv
	tools/venv $(VENV) -e '.[demo,dev]'
	@touch $@
