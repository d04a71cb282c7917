# Everything here works on a fresh machine with Python 3.11 or newer and make. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
LINT := $(VENV)/bin/ruff

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo run test test-quick test-full test-clients lint format requirements clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what the product needs into .venv (does nothing when it is there)
	@PYTHON="$(PYTHON)" sh .ci/setup requirements.txt

setup-dev: setup
	@PYTHON="$(PYTHON)" sh .ci/setup requirements-dev.txt

demo: setup ## Watch leads become delivered mails with replies (ARGS=--exit ends with a status)
	@$(PY) manage.py demo $(ARGS)

run: setup ## Start the product: web, worker and clock (ARGS="--port 9000")
	@$(PY) manage.py up $(ARGS)

test: setup-dev ## The tests on SQLite, and on PostgreSQL and Redis where they answer (ARGS=tests/leads)
	@$(PY) .ci/test.py -m "not slow" $(ARGS)

test-quick: setup-dev ## The quick loop: SQLite only, without the slow ones
	@TEST_PLACES=sqlite $(PY) .ci/test.py -m "not slow" $(ARGS)

test-full: setup-dev ## Also the slow ones (ten kills in a run to 2,000, 100,000 validations): both places or it fails
	@TEST_REQUIRE_SERVERS=1 $(PY) .ci/test.py $(ARGS)

test-clients: setup-dev ## Real MCP clients (Python and TypeScript SDKs, Inspector) do the nine calls; installs them once
	@$(PY) -m pytest -q -m clients tests/mcp_clients $(ARGS)

lint: setup-dev ## Style, formatting, and types of the pure parts
	@$(LINT) check .
	@$(LINT) format --check .
	@$(PY) .ci/typecheck.py

format: setup-dev ## Let ruff put the code in shape
	@$(LINT) check --fix .
	@$(LINT) format .

requirements: setup-dev ## Compile requirements*.in into pinned, hashed requirements*.txt
	@CUSTOM_COMPILE_COMMAND="make requirements" sh .ci/requirements

clean: ## Remove the environment and caches; data in var/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
