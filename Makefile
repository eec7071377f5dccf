# Every target works on a fresh machine with Python 3.11 and its venv module; see `make help`.
PYTHON ?= python3
ARGS ?=
VENV := .venv
# Nothing is installed that is not in the lock with the hash of its file.
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --retries 2 --require-hashes
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock, for Python 3.11 and newer on all systems"
# A version that Convoy runs on, and pip: without one of them the environment is made anew.
IS_USABLE := -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))'
# Its argument has no comma, which would end it.
stop = { echo "convoy: $(1)" >&2; exit 1; }
not_installed = $(call stop,not everything in $(1) could be installed; pip says above why. Without a \
	network name a folder or an index that has it (PIP_FIND_LINKS and PIP_NO_INDEX=1 or \
	PIP_INDEX_URL) and run this again)

# Hundreds of processes import the same modules in the tests, and each would compile them anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install here load ui test faults check lock docs bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: here $(VENV)/.runtime ## Set up the virtual environment, which everything below does by itself
	@echo "Convoy is installed in $(VENV)"

load: here $(VENV)/.runtime ## Run profile smoke against the simulator and print the verdict; more options: make load ARGS="--rate 50"
	@$(VENV)/bin/python -m locust --headless --load-profile smoke $(ARGS)

ui: here $(VENV)/.runtime ## Open Locust's web UI on http://127.0.0.1:8089; more options in ARGS
	@$(VENV)/bin/python -m locust --web-host 127.0.0.1 --web-port 8089 $(ARGS)

test: here $(VENV)/.development ## Run all tests; some of them: make test ARGS="tests/unit -k rates"
	@# Programs are forked where that proves as much (tests/fork_server.py); TESTS_START=exec executes all.
	@# Most tests wait for runs of a few seconds, so two cores keep up with twelve at a time
	@# (tests/order.py). On a fresh clone each of the twelve would compile all files of the tests.
	@[ -d tests/unit/__pycache__ ] || $(VENV)/bin/python -m pytest -q --collect-only >/dev/null || true
	@$(VENV)/bin/python -m pytest -q -n 12 --dist worksteal $(ARGS)

faults: here $(VENV)/.development ## Kill, pause and cut off the processes of real runs, in five minutes; docs/faults.md is the table
	@$(VENV)/bin/python -m pytest -q -n 12 --dist worksteal tests/faults $(ARGS)

check: here $(VENV)/.development ## Check format, lint, types and architecture, in less than a minute
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m pytest -q tests/test_architecture.py

lock: here $(VENV)/.development ## Find what requirements*.txt need into requirements*.lock; newer packages: make lock ARGS=--upgrade
	@# Which index is used stands in no file: uv knows no PIP_ variables, and writes none of its own.
	@[ -z "$$PIP_INDEX_URL" ] || export UV_DEFAULT_INDEX="$$PIP_INDEX_URL"; \
	$(LOCK) $(ARGS) requirements.txt -o requirements.lock && \
	$(LOCK) $(ARGS) -c requirements.lock requirements-dev.txt -o requirements-dev.lock

docs: here $(VENV)/.development ## Make the pictures in docs/pictures anew, in a minute; needs Chromium
	@PYTHONPATH=. $(VENV)/bin/python docs/make_pictures.py

bench: here $(VENV)/.runtime ## Measure Convoy beside other load generators, 15 minutes; a short one: make bench ARGS="--quick"
	@$(VENV)/bin/python -m bench $(ARGS)

clean: ## Remove the virtual environment and all caches; records in runs/ stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The scripts of an environment name its folder, and after a move start another Python, or none.
here:
	@VIRTUAL_ENV=; [ ! -e $(VENV)/bin/activate ] || . $(VENV)/bin/activate; \
	[ -z "$$VIRTUAL_ENV" ] || [ "$$VIRTUAL_ENV" -ef $(VENV) ] || \
		$(call stop,this folder was moved or copied: $(VENV) was made as $$VIRTUAL_ENV. \
		Make it anew: make clean install)

# The last line alone says that all is there: what was cut short before is begun again.
$(VENV)/.runtime: requirements.lock
	@$(VENV)/bin/python $(IS_USABLE) 2>/dev/null || { \
		command -v $(PYTHON) >/dev/null || $(call stop,there is no $(PYTHON). Install Python 3.11 \
			or newer or name it: make install PYTHON=/usr/bin/python3.11); \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || $(call stop,$(PYTHON) is \
			$$($(PYTHON) -V 2>&1) and Convoy needs 3.11 or newer. Install that or name it: \
			make install PYTHON=/usr/bin/python3.11); \
		$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || $(call stop,$(PYTHON) has no venv module. \
			Install it (Debian and Ubuntu: apt-get install python3-venv)); \
		$(PYTHON) -m venv --clear $(VENV) || $(call stop,the virtual environment could not be made); \
	}
	@echo "Installing what Convoy needs into $(VENV), once ..."
	@# The pip that comes with a Python may be years old, so that the rest is left to the locked one.
	@awk '/^pip==/ {is_pip = 1} is_pip {print} is_pip && !/\\$$/ {exit}' requirements.lock > $(VENV)/pip.lock
	@$(PIP) -r $(VENV)/pip.lock || $(call not_installed,requirements.lock)
	@$(PIP) -r requirements.lock || $(call not_installed,requirements.lock)
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing what tests and checks need into $(VENV), once ..."
	@$(PIP) -r requirements-dev.lock || $(call not_installed,requirements-dev.lock)
	@touch $@
