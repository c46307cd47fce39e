# SPDX-License-Identifier: GPL-3.0-or-later
# The door of the project. `make` alone says what there is.

PLAY      = ansible-playbook -i inventories/demo master.yml
READY     = .venv/.ready
LOCKED    = uv.lock pyproject.toml scripts/setup
UNIT      = collections/ansible_collections/pitstop/runbook/tests/unit

# Everything a target makes stays in this folder, so that `make clean` can take it away.
export PATH                     := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_HOME             := $(CURDIR)/.ansible
export PLAYWRIGHT_BROWSERS_PATH := $(CURDIR)/.cache/playwright

MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## Say what there is (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

##@ See it work

.PHONY: demo
demo: $(READY)-demo ## Run the whole job on this machine (FAULT=name: with that fault; FAULT=list: which there are)
	@$(MAKE) $(if $(filter list,$(FAULT)),faults,play)

.PHONY: check-demo
check-demo: $(READY)-demo ## Say what the demo would do, and change nothing
	@$(MAKE) play OPTIONS="--check --diff"

.PHONY: play
play:
	@python -m sandbox up --fresh $(if $(FAULT),--fault $(FAULT))
	@echo '+ $(PLAY) $(OPTIONS)'
	@$(PLAY) $(OPTIONS); status=$$?; \
	echo; \
	echo 'Go on: .venv/bin/python -m sandbox status    what runs where'; \
	echo '       make demo FAULT=list                  see it undo a fix that goes wrong'; \
	echo '       make sandbox-down                     stop it;  make clean  leaves no trace'; \
	exit $$status

.PHONY: faults
faults:
	@python -m sandbox fault list

.PHONY: sandbox-up
sandbox-up: $(READY)-demo ## Start the small production of the demo, as it is
	@python -m sandbox up

.PHONY: sandbox-down
sandbox-down: $(READY)-demo ## Stop it, and keep its state
	@python -m sandbox down

##@ Prove it

.PHONY: test
test: lint types ## Set up, then linters, types and every test, molecule and browser included
	@pytest

.PHONY: lint
lint: $(READY)-test ## Ruff, yamllint, ansible-lint (profile production, warnings fail)
	ruff check
	ruff format --check
	yamllint --strict .
	ansible-lint

.PHONY: types
types: $(READY)-test ## mypy over every Python file
	mypy

.PHONY: unit
unit: $(READY)-test ## Only the engine's tests: seconds
	@pytest $(UNIT)

.PHONY: bench
bench: $(READY)-test ## How long customers wait while tables are repaired, beside what people use today (ten minutes)
	@python -m benchmarks.stalls $(OPTIONS)

##@ Work on it

.PHONY: format
format: $(READY)-test ## Mend what can be mended without thought
	ruff check --fix
	ruff format

.PHONY: docs
docs: $(READY)-test ## Write the option tables of the roles' READMEs anew
	python -m scripts.role_options

.PHONY: clean
clean: ## Stop every process and remove every file that make made
	@if [ -x .venv/bin/python ]; then python -m sandbox clean; fi
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .sandbox .ansible .cache .hypothesis .pytest_cache .tools .venv

$(READY)-%: $(LOCKED)
	@scripts/setup $*
	@touch $@
