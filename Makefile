# `make demo` and `make test` do their own set-up; a second run starts at once.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check

# Which Python makes the environment (3.11 or newer; the first that runs).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
# Which build of PyTorch: `cpu`, a CUDA tag such as `cu130`, or empty for the package index's own choice (README, "GPU").
TORCH_BUILD ?= cpu
TORCH := $(shell grep '^torch==' requirements.lock)

DEMO_OUT ?= demo
TRAIN_OUT ?= out/training
TEST_WORKERS ?= 2
# Two test processes on two cores: a thread pool in each would only make them wait for each other.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1

.PHONY: help demo test lint format bench train lock licences dev clean

help:  ## Say what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

demo: $(VENV)/.ready  ## Simulate an export, screen it, say where to look
	@$(BIN)/shoken demo $(DEMO_OUT)

test: $(VENV)/.ready-dev  ## Run every test
	@$(TEST_ENV) $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile -rs $(TESTS)

# Ruff without its cache: a file that appears can change how another file's imports are sorted.
lint: $(VENV)/.ready-dev  ## Style, formatting, types, import layers
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy tools benchmarks .ci
	@$(BIN)/lint-imports

format: $(VENV)/.ready-dev  ## Mend what the linter can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.ready-dev  ## Time the command line, the screening, the demo and the installation
	@for name in help_time screen demo install; do $(BIN)/python benchmarks/$$name.py; done

train: $(VENV)/.ready-dev  ## Train every shipped model again, from simulated data (hours on a CPU)
	@for task in lung_nodule_ct aorta_ct brain_lesion_mr; do $(BIN)/shoken train $$task --out $(TRAIN_OUT)/$$task; done

lock: $(VENV)/.ready-dev  ## Write the pinned requirements from this environment
	@$(BIN)/python tools/lock.py

licences: $(VENV)/.ready-dev  ## Write docs/licences.md from this environment
	@$(BIN)/python tools/licences.py

dev: $(VENV)/.ready-dev  ## Set up everything, run nothing

clean:  ## Remove the environment, caches and builds (never results)
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.11 or newer was found (accepted: make PYTHON=/path/to/python3)." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: requirements.lock | $(BIN)/python
	@echo "Installing PyTorch ($(or $(TORCH_BUILD),the index's own) build); the first time takes minutes"
	@$(PIP) '$(TORCH)$(if $(TORCH_BUILD),+$(TORCH_BUILD))' 2>/dev/null || { \
		echo "Your package index has no $(TORCH)+$(TORCH_BUILD); taking its own build (on Linux that may bring gigabytes of CUDA; README, 'GPU')."; \
		$(PIP) '$(TORCH)'; }
	@touch $@

$(VENV)/.ready: requirements.lock pyproject.toml $(VENV)/.torch
	@echo "Installing what Shoken needs"
	@$(PIP) -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@echo "Installing the tests' and the linter's tools"
	@$(PIP) -r requirements-dev.lock
	@touch $@
