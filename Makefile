# The front door. Each target makes the virtual environment that it needs; PYTHON=... picks the interpreter,
# ARGS=... is passed on.

SHELL := /bin/sh
DEMO_VENV := .venv-demo
VENV := .venv
export PYTHON

.PHONY: help demo test docs format accuracy bench-scan bench-pauses bench-web bench-attach bench-zoo bench-known-leaks pictures memory-tests bench-nvflare from-the-guide clean check check-format check-lint check-types check-rule-types check-self

help:
	@echo 'make demo    audit a leaking federated server, live, on this machine'
	@echo 'make test    run the tests'
	@echo 'make check   format, lint, types, leakaudit on its own source, and the site'
	@echo 'make docs    build the site of the documentation into build/site'
	@echo 'make format  let ruff format and mend the source'
	@echo 'make accuracy  scan pinned releases with known leaks and write docs/precision.md'
	@echo 'make bench-pauses  what an audit costs a busy process; writes docs/runtime-cost.md'
	@echo 'make bench-known-leaks  audit releases with known leaks; writes docs/known-leaks.md'
	@echo 'make bench-web  what clients of web servers notice of an audit; writes docs/runtime-cost.md'
	@echo 'make bench-scan  what a scan of Django costs, beside other linters; writes docs/performance.md'
	@echo 'make pictures  run the demo and take the pictures of its HTML report for docs/pictures (needs chromium)'
	@echo 'make memory-tests  federated jobs under several settings, compared: docs/compare.md'
	@echo 'make bench-trends  false and missed alarms of the trends, on series and recordings; writes docs/trends.md'
	@echo 'make bench-zoo  audit 85 small services, leaking and steady; writes docs/zoo.md'
	@echo 'make bench-adopt  a baseline, a new leak and a cure on old releases; writes the guide'
	@echo 'make bench-attach  attach to a busy program again and again, kill controllers; writes docs/attach-safety.md'
	@echo 'make bench-nvflare  run workflows of NVFlare under several settings; writes docs/nvflare.md'
	@echo 'make from-the-guide  run what replaces the memory-debugging guide; writes docs/from-the-guide.md'
	@echo 'make clean   remove the virtual environments and caches'

demo: $(DEMO_VENV)/.ready
	$(DEMO_VENV)/bin/leakaudit demo $(ARGS)

test: $(VENV)/.ready
	$(VENV)/bin/python -m pytest $(ARGS)

# `make -k check` goes through all of them, whatever fails.
check: check-format check-lint check-types check-rule-types check-self docs

check-format: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .

check-lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .

check-types: $(VENV)/.ready
	$(VENV)/bin/mypy leakaudit

# Rules are loaded by path and belong to no package.
check-rule-types: $(VENV)/.ready
	$(VENV)/bin/mypy --explicit-package-bases rules/*.py

check-self: $(VENV)/.ready
	$(VENV)/bin/leakaudit scan leakaudit rules

# The banner that is turned off tells of other builders of sites.
docs: $(VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict
	@echo 'the site is in build/site'

format: $(VENV)/.ready
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench-known-leaks: $(VENV)/.ready
	$(VENV)/bin/python bench/known_leaks/run.py --write

accuracy: $(VENV)/.ready
	$(VENV)/bin/python bench/accuracy --write docs/precision.md $(ARGS)

bench-scan: $(VENV)/.ready
	$(VENV)/bin/python bench/scan_speed.py --write docs/performance.md $(ARGS)

bench-pauses: $(VENV)/.ready
	$(VENV)/bin/python bench/pauses.py --write docs/runtime-cost.md $(ARGS)
	$(VENV)/bin/python bench/sizes.py --write docs/runtime-cost.md

bench-web: $(VENV)/.ready
	$(VENV)/bin/python bench/web_workers.py --write docs/runtime-cost.md $(ARGS)

pictures: $(VENV)/.ready
	$(VENV)/bin/python bench/pictures.py $(ARGS)

memory-tests: $(VENV)/.ready
	$(VENV)/bin/python examples/federated/matrix.py $(ARGS)

# About twenty minutes, and an environment with nvflare of its own.
bench-nvflare: $(VENV)/.ready
	$(VENV)/bin/python bench/nvflare/report.py --write docs/nvflare.md --pictures docs/pictures $(ARGS)

from-the-guide: $(VENV)/.ready
	$(VENV)/bin/python bench/from_the_guide.py --write docs/from-the-guide.md $(ARGS)

bench-zoo: $(VENV)/.ready
	$(VENV)/bin/python -m pip install --quiet --editable '.[bench]'
	$(VENV)/bin/python bench/zoo.py --write docs/zoo.md $(ARGS)

bench-trends: $(VENV)/.ready
	$(VENV)/bin/python bench/trends.py --count 300 --write docs/trends.md $(ARGS)

bench-attach: $(VENV)/.ready
	$(VENV)/bin/python bench/attach_torture.py --cycles 200 --kills 100 --write docs/attach-safety.md $(ARGS)

bench-adopt: $(VENV)/.ready
	$(VENV)/bin/python bench/adopt.py --write docs/guides/adopting-on-an-old-code-base.md $(ARGS)

clean:
	rm -rf $(VENV) $(DEMO_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .leakaudit_cache

$(DEMO_VENV)/.ready: pyproject.toml tools/venv
	tools/venv $(DEMO_VENV) -e '.[demo]'
	@touch $@

$(VENV)/.ready: pyproject.toml tools/venv
	tools/venv $(VENV) -e '.[demo,dev]'
	@touch $@
