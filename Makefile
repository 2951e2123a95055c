# Every target creates what it needs; a second run is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup play run test check bench clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Roundtale needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	touch $@

setup: $(STAMP) ## Make .venv with the locked versions

play: $(STAMP) ## Write a story in the terminal (no token, no hub needed)
	@$(BIN)/roundtale play

run: $(STAMP) ## Start the Discord bot from .env
	@$(BIN)/roundtale run

check: $(STAMP) ## Lint, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

test: check ## All of that and the tests, with coverage
	@# Much of a test is waiting for a process: four of them fill two cores.
	$(BIN)/python -m pytest -n 4 --dist worksteal --cov --cov-report=term --cov-fail-under=90

bench: $(STAMP) ## Measure the engine (ARGS=--quick; benchmarks/ has the other measurements)
	$(BIN)/roundtale bench $(ARGS)

clean: ## Remove what the other targets made (stories and models stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
