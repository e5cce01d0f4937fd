# The commands of the project; `make` lists them.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz chaos matrix lock audit sbom deb container package-test clean
export INSTALL REQUIRE_MOSQUITTO

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python

help: ## List the commands
	@echo "Usage: make COMMAND [ARGS='...']   (needs Python 3.11 or newer; the first run makes $(VENV))"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

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

matrix: $(READY) ## Run the tests with each Python from 3.11 to 3.13 that is installed (ARGS='tests/unit -k plan')
	@packaging/install-mosquitto
	@PATH="$$PATH$$(printf ':%s' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/*/bin)" \
		$(RUN) -m tox run --colored=no $(if $(ARGS),-- $(ARGS))

# Wheels only: nothing is built where the package is installed. What is younger than a week nobody has looked at yet.
lock: $(READY) ## Renew packaging/requirements.lock: the versions and hashes that are shipped (NEWEST='0 days' takes all)
	$(RUN) -m uv pip compile pyproject.toml --output-file packaging/requirements.lock --quiet --upgrade \
		--universal --python-version 3.11 --generate-hashes --only-binary :all: \
		--exclude-newer '$(or $(NEWEST),7 days)' --custom-compile-command 'make lock'

audit: $(READY) ## Look the locked versions up among the known vulnerabilities
	@$(RUN) packaging/audit.py $(ARGS)

sbom: $(READY) ## Write what is shipped as a CycloneDX bill of materials: dist/itop-bridge-*.cdx.json
	@$(RUN) packaging/sbom.py $(ARGS)

deb: $(READY) ## Build the Debian package for this machine's Python: dist/itop-bridge_*.deb
	@$(RUN) packaging/deb.py $(ARGS)

container: ## Build the container's image (BASE=docker.io/library/python:3.13-slim, IMAGE=itop-bridge, BUILDER='podman build')
	$(or $(BUILDER),buildah build) --format docker --file packaging/Containerfile --tag $(or $(IMAGE),itop-bridge) \
		--build-arg VERSION=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' itop_bridge/__init__.py) \
		$(if $(BASE),--build-arg BASE=$(BASE)) $(ARGS) .

package-test: $(READY) ## Build, install and run the Debian package and the container, as root; says what cannot be tried here
	@packaging/install-mosquitto
	@$(RUN) -m pytest -rfEs -m package tests/package $(ARGS)

clean: ## Remove the environment and what the tools left
	rm -rf $(VENV) .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .tox dist build

# The environment follows pyproject.toml.
$(READY): pyproject.toml packaging/make-venv
	@packaging/make-venv $(VENV)
	@touch $@
