# Saltus. `make demo` does the main job on a fresh Debian 12 machine; `make test` installs what the tests need and passes them.

SHELL := /bin/bash
VENV := .venv
SALTUS := $(VENV)/bin/saltus
export SALTUS_STATE ?= $(if $(filter 0,$(shell id -u)),/var/lib/saltus,$(HOME)/.local/state/saltus)

# The tests' own cloud: another state directory, so that a lab of yours is not touched (stop it first: same addresses).
LAB_STATE ?= /var/cache/saltus-tests/state

FAST := not root and not salt and not mariadb and not postgresql and not toolbox and not lab and not browser

.PHONY: help install lock demo demo-rollback docs check test test-fast test-upgrade test-lab test-crash test-hops clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed  ## Install Saltus with its locked dependencies into .venv

$(VENV)/.installed: pyproject.toml requirements.lock
	@command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null || \
	  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 python3-venv; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Saltus needs Python 3.11 or later: python3 is $$(python3 -V)"; exit 1; }
	test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q uv
	$(VENV)/bin/uv pip sync -q --python $(VENV)/bin/python --require-hashes requirements.lock
	$(VENV)/bin/uv pip install -q --python $(VENV)/bin/python --no-deps -e .
	@touch $@

lock:  ## Take the newest versions that pyproject.toml allows into requirements.lock
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --upgrade --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra dev -o requirements.lock pyproject.toml

demo: install  ## Boot a real Zed cloud, upgrade its control plane to Epoxy, report
	$(SALTUS) demo

demo-rollback: install  ## Take the demo's cloud back to Zed
	$(SALTUS) rollback --approve-as demo --discard-writes

check: install  ## Lint and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check src tests
	$(VENV)/bin/mypy

docs: install  ## Write the generated pages of docs/
	$(VENV)/bin/python docs/generate.py

test-fast: install check  ## The tests that need neither root nor services: five minutes
	$(VENV)/bin/pytest -q -m '$(FAST)'

test: install  ## Everything but the data plane: three quarters of an hour on two cores when images must be built
	tests/prepare
	nice -n 19 $(VENV)/bin/python tests/toolboxes_ahead.py & builder=$$!; trap "kill $$builder 2>/dev/null" EXIT; \
	  $(MAKE) test-fast && \
	  $(VENV)/bin/pytest -q -m 'not ($(FAST)) and not lab and not long' && \
	  $(MAKE) test-upgrade && \
	  $(VENV)/bin/pytest -q -m long
	@echo "left out: the data plane on a real cloud, an hour: make test-lab"
	@echo "left out: the same upgrade with its runner killed at every position, an hour: make test-crash"

test-upgrade: install  ## A control plane from Zed to Epoxy and back on a real cloud, beside your own lab's state
	SALTUS_STATE=$(LAB_STATE) $(VENV)/bin/pytest -q -s -x -m lab tests/lab/test_upgrade.py; code=$$?; \
	  SALTUS_STATE=$(LAB_STATE) $(SALTUS) lab down --destroy; exit $$code

test-lab: test-upgrade  ## And the computes behind it: package differences, a sample, all, their way back
	SALTUS_STATE=$(LAB_STATE) $(VENV)/bin/pytest -q -s -x -m lab tests/lab/test_computes.py

test-crash: install  ## An upgrade of a real cloud and its way back, the runner killed at every journal position: an hour
	SALTUS_STATE=$(LAB_STATE) $(VENV)/bin/pytest -q -s -x -m lab tests/lab/test_crash.py; code=$$?; \
	  SALTUS_STATE=$(LAB_STATE) $(SALTUS) lab down --destroy; exit $$code

test-hops: install  ## Rehearsals over many releases with real tools, alone
	tests/prepare
	$(VENV)/bin/pytest -q -m long

clean:  ## Stop the lab and remove what was built here
	-$(SALTUS) lab down --destroy
	rm -rf $(VENV) dist
