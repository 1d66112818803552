# Everything a developer or CI runs. It needs git, make and Python 3.11 or newer; uv is brought in when it is absent.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

# What targets pass on (part of a run leaves the guide as it is), for example: make demo DEMO="--once --json"   make test PYTEST="-k broker"   make soak SOAK="--scenario F2"
DEMO ?=
PYTEST ?=
BENCH ?=
SOAK ?=
MUTANTS ?=

BIN := .venv/bin
PRIVATE_UV := .cache/uv/bin/uv
READY := Ready. Go on with .venv/bin/huiyin --help, or see it work: make demo
OLD_PYTHON := Huiyin needs Python 3.11 or newer, and none was found. Name one: make setup PYTHON=/path/to/python3

# The machine's default first. Looked up once, and only by the recipes that need it.
PYTHON ?= $(eval PYTHON := $(shell for python in python3 python python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(1) if sys.version_info < (3, 11) else print(sys.executable)' 2>/dev/null && break; done))$(PYTHON)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.runtime ## Prepare .venv with the huiyin command
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "$(READY)" >&2,:)

.PHONY: demo
demo: setup ## Run the whole suite on real feedback and show what becomes of it
	@$(BIN)/huiyin demo $(DEMO)

.PHONY: test
test: setup lint imports types ## Run everything CI runs: style, import contracts, types, all tests but the longest
	$(BIN)/pytest $(PYTEST)

.PHONY: check
check: lint imports types ## Run before every commit: style, import contracts, types, tests without Kafka, journeys, faults
	$(BIN)/pytest -m "not kafka and not java" --ignore=tests/journeys --ignore=tests/faults $(PYTEST)

.PHONY: soak
soak: .venv/.development ## Run what takes hours: every fault scenario long, with three seeds, for the guide; then the tests marked soak
	$(BIN)/python -m tests.faults.soak $(SOAK)
	$(if $(SOAK),,$(BIN)/pytest -m soak $(PYTEST))
	$(if $(SOAK),,$(BIN)/python -m tests.guarantees)

.PHONY: mutants
mutants: .venv/.development ## Plant known bugs in a copy of the code and show which test notices each
	$(BIN)/python -m tests.mutants $(MUTANTS)
	$(if $(MUTANTS),,$(BIN)/python -m tests.guarantees)

.PHONY: bench
bench: .venv/.development ## Measure speed, memory and start beside references in the same run; writes bench/README.md
	$(BIN)/python -m bench $(BENCH)
	$(if $(BENCH),,$(BIN)/python -m tests.guarantees)

.PHONY: lint
lint: .venv/.development ## Check format, style and declared dependencies
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/deptry --no-ansi libs/* services/*

.PHONY: format
format: .venv/.development ## Format the code and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: types
types: .venv/.development ## Check types
	$(BIN)/mypy

.PHONY: imports
imports: .venv/.development ## Check who may import whom
	$(BIN)/lint-imports --no-logo

.PHONY: docs
docs: .venv/.development ## Write the generated pages anew: events, AsyncAPI, the tables of the guarantees
	$(BIN)/python -m huiyin_contracts.schemas
	$(BIN)/python -m huiyin_eventbus.asyncapi
	$(BIN)/python -m tests.guarantees

.PHONY: clean
clean: ## Remove what was installed, cached and built; data in .huiyin stays
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis dist

# --inexact leaves development packages where they are, so that demo and test can take turns without reinstalling.
.venv/.runtime: pyproject.toml uv.lock
	@$(sync) --no-dev --inexact --extra pg
	@touch $@

.venv/.development: pyproject.toml uv.lock
	@$(sync) --all-groups
	@touch .venv/.runtime $@

# A working .venv keeps its Python; a new one takes the one found above. Standard output stays free for `demo --json`.
define sync
test -n "$(PYTHON)" || { echo "$(OLD_PYTHON)" >&2; exit 1; }; \
uv=uv; uv --version >/dev/null 2>&1 || uv=$(PRIVATE_UV); \
test "$$uv" = uv || test -x "$$uv" || { $(install_uv); } || exit 1; \
python="$(PYTHON)"; test ! -x $(BIN)/python || python=$(BIN)/python; \
UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv "$$uv" sync --quiet --frozen --python "$$python"
endef

define install_uv
echo "uv is not installed: putting it into .cache/uv" >&2; \
{ "$(PYTHON)" -m venv .cache/uv && .cache/uv/bin/python -m pip install --quiet 'uv>=0.9,<1'; } >&2 || \
{ echo "uv could not be installed: install it, or the venv module of $(PYTHON), and try again" >&2; rm -rf .cache/uv; false; }
endef
