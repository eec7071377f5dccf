# Every target works on a fresh machine with Python 3.11 and its venv module; see `make help`.
PYTHON ?= python3
ARGS ?=
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

# Hundreds of processes import the same modules in the tests, and each would compile them anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help load ui test faults check bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

load: $(VENV)/.runtime ## Run profile smoke against the simulator and print the verdict; more options: make load ARGS="--rate 50"
	@$(VENV)/bin/locust --headless --load-profile smoke $(ARGS)

ui: $(VENV)/.runtime ## Open Locust's web UI on http://127.0.0.1:8089; more options in ARGS
	@$(VENV)/bin/locust --web-host 127.0.0.1 --web-port 8089 $(ARGS)

test: $(VENV)/.development ## Run all tests; some of them: make test ARGS="tests/unit -k rates"
	@# Most tests wait for runs of a few seconds, so two cores keep up with eight at a time.
	@$(VENV)/bin/python -m pytest -q -n 8 --dist worksteal $(ARGS)

faults: $(VENV)/.development ## Kill, pause and cut off the processes of real runs, in five minutes; docs/faults.md is the table
	@$(VENV)/bin/python -m pytest -q -n 8 --dist worksteal tests/faults $(ARGS)

check: $(VENV)/.development ## Check format, lint, types and architecture, in less than a minute
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m pytest -q tests/test_architecture.py

bench: $(VENV)/.runtime ## Measure Convoy beside other load generators, 15 minutes; a short one: make bench ARGS="--quick"
	@$(VENV)/bin/python -m bench $(ARGS)

clean: ## Remove the virtual environment and all caches; records in runs/ stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.runtime: requirements.txt
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what Convoy needs into $(VENV), once ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what tests and checks need into $(VENV), once ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@
