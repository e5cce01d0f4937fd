# The commands of the project; `make` lists them.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz clean
export INSTALL REQUIRE_MOSQUITTO

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python

help: ## List the commands
	@echo "Usage: make COMMAND [ARGS='...']   (needs Python 3.11 or newer; the first run makes $(VENV))"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-7s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## Show the bridge at work on this machine: broker, stand-in for iTop, daemon, 2,000 alerts (ARGS=--keep stays up)
	@$(RUN) -m itop_bridge.cli.main demo $(ARGS)

test: $(READY) ## Run all tests; installs the mosquitto broker if it is missing and may be installed (INSTALL=no: never)
	@packaging/install-mosquitto
	@$(RUN) -m pytest -rfEs $(ARGS)

check: $(READY) ## Run the linters, mypy --strict and all tests: what has to pass before a commit
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy --strict
	@$(MAKE) --no-print-directory test

bench: $(READY) ## Run the benchmarks; each prints ratios measured side by side
	@packaging/install-mosquitto
	$(RUN) benchmarks/intake.py
	$(RUN) benchmarks/triage.py
	$(RUN) benchmarks/storm.py
	$(RUN) benchmarks/limits.py
	$(RUN) benchmarks/latency.py
	$(RUN) benchmarks/backlog.py --events 200000

fuzz: $(READY) ## Send hostile messages through intake and triage (SECONDS=60, SEED=)
	$(RUN) tests/fuzz/fuzz.py --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

KILLS := 200
chaos: $(READY) ## Kill the daemon 200 times among faults and people; nothing lost, nothing twice (KILLS=50, SEED=7)
	@packaging/install-mosquitto
	@$(RUN) tests/chaos/kill_loop.py --kills $(KILLS) $(if $(SEED),--seed $(SEED)) $(ARGS)

clean: ## Remove the environment and what the tools left
	rm -rf $(VENV) .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

# The environment follows pyproject.toml.
$(READY): pyproject.toml packaging/make-venv
	@packaging/make-venv $(VENV)
	@touch $@
