# Everything here works on a fresh machine with Python 3.11 or newer and make. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
LINT := $(VENV)/bin/ruff

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo run test test-quick test-full chaos mutants test-clients test-mail bench bench-full classify lint format requirements clean

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

chaos: setup-dev ## Kill, stop and crash workers and database while mail is sent; a line of figures each (ARGS="kills --times 100")
	@$(PY) -m tests.faults.chaos $(ARGS)

test-mail: setup-dev ## A real Postfix and Dovecot on loopback: send, Sent folder, reply, bounce; installs them once (root on Debian)
	@sh .ci/mail_servers $(PY) -m pytest -q -m mail tests/mail_servers $(ARGS)

mutants: setup-dev ## Take each protection of the ledger away in a copy: the test named for it must fail (ARGS="grace_too_short")
	@$(PY) -m tests.faults.mutants $(ARGS)

test-clients: setup-dev ## Clients that are not ours: MCP SDKs and Inspector, API clients made from our document; installs them once
	@$(PY) -m pytest -q -m clients tests/mcp_clients tests/api_clients $(ARGS)

bench: setup-dev ## What we claim about speed, measured beside a limit and a peer on PostgreSQL (minutes; ARGS=send)
	@$(PY) -m benchmarks $(ARGS)

bench-full: setup-dev ## The same at scale
	@$(PY) -m benchmarks --full $(ARGS)

classify: setup-dev ## How well bounces, replies and the rest are told apart, on the mail in tests/corpora
	@$(PY) -m tests.classify

examples: setup-dev ## Ask the API for its examples anew: outbound/api/examples.json, docs/endpoints.md, the table of docs/api.md
	@RECORD_EXAMPLES=1 $(PY) -m pytest -q tests/test_api_examples.py

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
