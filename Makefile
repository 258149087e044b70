# Every recipe says in the sentence behind its name what it is for; `make` alone prints them.
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# The first of these that really is a Python from 3.11 to 3.14; say PYTHON=… to choose another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
BROWSER ?= 1
JOBS ?= 3
TESTS ?=
PEERS := .venvs/peers
FUZZ := .venvs/fuzz
EXAMPLES ?= 100
ROWS ?= 10000000
SEEDS ?= $(or $(SEED),1)
ORDERS ?= 20
PROFILE ?= default
MINUTES ?= 10
STORED ?= 1000000

# Whoever is not allowed to keep compiled modules compiles them again for each of the many processes of a test.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test check static test-all sim bench bench-growth chaos fuzz shots plants browser lock clean

help: ## list the recipes
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## install everything into .venv from the lock file (quick when nothing changed)

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "no Python from 3.11 to 3.14 was found; install one, or say make setup PYTHON=/path/to/python"; exit 1; }
	@[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || rm -rf $(VENV)
	@[ -x $(BIN)/uv ] || [ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) >$(VENV).log 2>&1 \
		|| { rm -rf $(VENV) $(VENV).log; echo "$(PYTHON) cannot make a virtual environment; install its venv module (on Debian: apt-get install python3-venv)"; exit 1; }
	@rm -f $(VENV).log
	@[ -x $(BIN)/uv ] || { sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock >$(VENV)/uv.txt \
		&& $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt; }
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## start everything on this machine, play the drill, and print the link to its case
	@$(BIN)/fallsafe up --drill

test: setup browser ## run all tests (BROWSER=0 leaves the browser out; TESTS=tests/core runs some)
	@BROWSER=$(BROWSER) $(BIN)/python -m pytest -n $(JOBS) $(TESTS)

static: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

check: static test ## what continuous integration runs: style, types, import contracts, then all tests

test-all: ## run the tests on each Python from 3.11 to 3.14 that is found and starts
	@scripts/each_python.sh $(TESTS)

sim: setup ## play simulated worlds that try to break every promise (SEED=7 or SEEDS=1..100, ORDERS=20, PROFILE=calm|default|hell)
	@PYTHONHASHSEED=0 $(BIN)/python -m fallsafe.simulator --seeds $(SEEDS) --orders $(ORDERS) --profile $(PROFILE) --jobs $(JOBS) $(SIM)

bench: setup ## measure throughput and latency, each with its limit beside it
	@$(BIN)/python bench/run.py
	@$(BIN)/python bench/latency.py
	@$(BIN)/python bench/signals.py
	@$(BIN)/python bench/desk.py
	@$(BIN)/python bench/files.py --rows $(ROWS)

bench-growth: setup ## measure whether it stays fast: with STORED=1000000 orders, and over MINUTES=10 (about an hour)
	@$(BIN)/python bench/growth.py --stored $(STORED) --minutes $(MINUTES)

shots: setup browser ## take pictures of every page of the workbench in both themes, into build/shots (SHOTS=name takes some)
	@$(BIN)/python scripts/shots.py $(SHOTS)

plants: setup ## break one promise at a time in a copy of the sources, and see which check notices (PLANTS="--seeds a..b --only name")
	@$(BIN)/python -m tests.plants $(PLANTS)

chaos: setup ## kill, halt and cut off everything at random while orders flow, then count (MINUTES=10 SEED=…)
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

bench-peers: setup $(PEERS)/.installed ## measure fallsafe reconcile on large files, beside pandas and datacompy (ROWS=10000000)
	@$(BIN)/python bench/peers.py --peers $(PEERS)/bin/python --rows $(ROWS)

fuzz: setup $(FUZZ)/.installed ## make requests from the description of the API as each role, right and wrong ones (EXAMPLES=100 FUZZED="--roles operator")
	@$(BIN)/python -m tests.fuzz --schemathesis $(FUZZ)/bin/schemathesis --examples $(EXAMPLES) $(FUZZED)

# Its libraries and those of the product do not fit each other.
$(FUZZ)/.installed: requirements-fuzz.lock
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(FUZZ)
	@$(BIN)/uv pip sync --quiet --python $(FUZZ)/bin/python --require-hashes requirements-fuzz.lock
	@touch $@

# What only the comparison needs stays out of everybody's environment.
$(PEERS)/.installed: requirements-peers.lock
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(PEERS)
	@$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes requirements-peers.lock
	@touch $@

browser:
	@BROWSER=$(BROWSER) BIN=$(BIN) scripts/browser.sh

lock: setup ## resolve the dependencies anew and write the lock files
	@$(BIN)/uv pip compile --upgrade --quiet $(LOCK) pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --upgrade --quiet $(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	@$(BIN)/uv pip compile --upgrade --quiet $(LOCK) --group peers -o requirements-peers.lock
	@$(BIN)/uv pip compile --upgrade --quiet $(LOCK) --group fuzz -o requirements-fuzz.lock
LOCK := --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate

clean: ## remove what the recipes made (not the data in .fallsafe)
	@rm -rf $(VENV) .venvs .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
