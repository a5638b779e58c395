# What a person needs: make demo, make test. Everything else is done on the way.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first interpreter that the pinned packages are made for; PYTHON=… on the command line overrides.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' >/dev/null 2>&1 && { echo $$p; break; }; done)

.PHONY: help setup setup-speech demo up down status doctor test test-slow benchmark lint format lock clean

help:
	@echo "make demo               set up, then the main job on a made-up centre"
	@echo "make demo LANDING=DIR   the same on a folder laid out as the landing bucket"
	@echo "make test               set up, then the tests"
	@echo "make test-slow          marts built again and again: deliveries in any order, increments, replays"
	@echo "make up | down | status the embedded stack"
	@echo "make setup-speech       set up, with the speech recognisers (make doctor names the models)"
	@echo "make doctor             what this machine lacks, and how to get it"
	@echo "make benchmark          set up, then measure; results go to benchmarks/RESULTS.md"
	@echo "make lint | format      ruff, mypy, sqlfluff"
	@echo "make lock               pin the newest versions that requirements/*.in allow"
	@echo "make clean              remove the environment and what was built (data stay)"

setup: $(STAMP)
	@:

$(STAMP): requirements/dev.txt pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "callmart needs Python 3.11, 3.12 or 3.13; found: $$(python3 --version 2>&1 || echo none)." >&2; \
		echo "Get one (apt install python3.12 python3.12-venv, brew install python@3.12) or name it: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi
	@if ! $(RUN)/python -c '$(SUPPORTED)' >/dev/null 2>&1; then \
		rm -rf $(VENV); \
		$(PYTHON) -m venv $(VENV) >/dev/null || { \
			rm -rf $(VENV); \
			echo "$(PYTHON) cannot make a virtual environment (Debian, Ubuntu: apt install python3-venv)" >&2; \
			exit 1; }; \
	fi
	@$(RUN)/python requirements/install.py
	@touch $@

setup-speech: setup
	@$(RUN)/python requirements/install.py speech

demo: setup
	@$(RUN)/callmart demo $(if $(LANDING),--landing '$(LANDING)')

up down status doctor: setup
	@$(RUN)/callmart $@

test: setup
	@$(RUN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

# Marts built again and again: any order of delivery, increments beside full refreshes, replays, weeks of checks.
test-slow: setup
	@$(RUN)/python -m pytest -m slow $(PYTEST_ARGS)

benchmark: setup
	@$(RUN)/callmart bench --all --record

lint: setup
	@$(RUN)/ruff check
	@$(RUN)/ruff format --check
	@$(RUN)/mypy
	@$(RUN)/sqlfluff lint --processes 0 --disable-progress-bar dbt/models

format: setup
	@$(RUN)/ruff check --fix
	@$(RUN)/ruff format

# uv is not among the project's own packages: it lives beside them.
$(VENV)/lock/bin/uv: | setup
	@$(RUN)/python -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet uv

lock: $(VENV)/lock/bin/uv
	@for name in runtime speech dev server; do \
		$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-header --no-annotate --upgrade --output-file requirements/$$name.txt requirements/$$name.in; \
	done
	@$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade --override requirements/benchmark.overrides.in \
		--output-file requirements/benchmark.txt requirements/benchmark.in

clean:
	@if [ -x $(RUN)/callmart ]; then $(RUN)/callmart down; fi
	@rm -rf $(VENV) build dbt/target dbt/logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
