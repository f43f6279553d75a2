# Needs make and python3 (3.11 or later); everything else is installed into .venv by itself.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest
# more than the cores: most of the time is spent waiting for programs under test
WORKERS ?= 6
# a machine that keeps no bytecode would compile every test anew for each worker
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo test lint format secrets package check cover faults bench constraints

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "clipbell needs Python 3.11 or later: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(READY) ## watch the whole way with no keys and no network
	$(BIN)/clipbell demo

test: $(READY) ## all tests but the long ones
	$(PYTEST) -n $(WORKERS) --dist worksteal -q -m "not faults and not bench and not package and not secrets"

lint: $(READY) ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY) ## write the code as the formatter wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

package: $(READY) ## build the package, install it elsewhere, import and run it there
	$(PYTEST) -q -m package

secrets: $(READY) ## a hard life with a canary for every kind of secret, and none comes out
	$(PYTEST) -q -m secrets

check: test lint secrets package ## what the continuous integration runs

cover: $(READY) ## all tests, then: 100 % of schemas and handlers, 95 % of receiver
	rm -f .coverage .coverage.*
	$(PYTEST) -n $(WORKERS) --dist worksteal -q -m "not faults and not bench and not package and not secrets" --cov --cov-report=
	$(BIN)/coverage report --include='schemas/*,handlers/*' --fail-under=100
	$(BIN)/coverage report --include='receiver/*' --fail-under=95

faults: $(READY) ## crashes, power cuts, full disks, hostile clients
	$(PYTEST) -q -m faults -n 2 --dist worksteal

bench: $(READY) ## measurements, as ratios within one run
	$(BIN)/python -m tests.benchmarks.callbacks
	$(BIN)/python -m tests.benchmarks.fan_out
	$(BIN)/python -m tests.benchmarks.open_jobs

constraints: $(READY) ## write down the versions that are installed
	{ echo "# The versions that the tests ran with: make constraints"; $(BIN)/python -m pip freeze --exclude clipbell; } > $@.txt
