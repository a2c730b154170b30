# On a machine with Python 3.11+, make and git each verb does all that it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Each worker has servers of its own, some 2 GB of memory.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS)
DATASET ?=
PREDICT ?=
UPGRADE ?=
CHAOS ?=
ENGINE ?= docker
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-retrain up down doctor check format clean test-fast test test-all test-invariants chaos bench image lock

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 17

setup: $(VENV)/.ready ## Install everything into .venv (the other targets do this automatically)

$(VENV)/.ready: uv.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -om1 'uv==[0-9.]*' pyproject.toml)"
	$(BIN)/uv sync --quiet --frozen --all-extras --python $(BIN)/python
	@touch $@

# Only these start embedded PostgreSQL and SeaweedFS.
demo demo-retrain up: export MODERATION_EMBEDDED := true

demo: $(VENV)/.ready ## Demo of the nightly run, from nothing to the printed result; DATASET=folder uses your labeled photos
	$(BIN)/python -m devtools demo $(if $(DATASET),--dataset "$(DATASET)")

demo-retrain: $(VENV)/.ready ## Demo of the monthly retraining: labels, retraining, promotion, rollback; DATASET as above
	$(BIN)/python -m devtools demo-retrain $(if $(DATASET),--dataset "$(DATASET)")

up: $(VENV)/.ready ## Keep servers and Airflow running, with the UI
	$(BIN)/python -m devtools up

down: $(VENV)/.ready ## Stop what `up` or an interrupted demo left running
	$(BIN)/python -m devtools down

doctor: $(VENV)/.ready ## Check a deployment and print fixes; PREDICT=http://host:5000 also checks /predict
	$(BIN)/python -m devtools doctor $(if $(PREDICT),--predict-url "$(PREDICT)")

check: $(VENV)/.ready ## Lint, types, import contract, and that the lock fits pyproject.toml
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=plugins $(BIN)/lint-imports --no-logo
	$(BIN)/uv lock --check --offline --quiet

test-fast: $(VENV)/.ready ## Tests without servers, browser and Airflow
	$(PYTEST) -m "not integration and not airflow and not browser and not slow"

test: $(VENV)/.ready ## Tests of every invariant, on real PostgreSQL, S3, Airflow and Chromium
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.ready ## All tests, the slow ones too
	$(PYTEST)

test-invariants: $(VENV)/.ready ## Break the code once for each invariant: its tests must fail
	$(BIN)/python -m tests.architecture.break_invariants

chaos: $(VENV)/.ready ## Kill processes, cut connections, fake a faulty bucket: equal end states; CHAOS="--seed 1 --kills 30"
	$(BIN)/python -m tests.chaos $(CHAOS)

bench: $(VENV)/.ready ## Throughput versus the article's loop, and memory at 1,000 to 20,000 photos
	$(BIN)/python -m benchmarks.throughput

format: $(VENV)/.ready ## Format, and fix what lint can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Delete caches and the environment; data in .data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info

image: ## Build the CPU image with docker; ENGINE=podman takes podman
	$(ENGINE) build --file deploy/Dockerfile --target cpu --tag review-photo-moderation:$(VERSION)-cpu .

lock: $(VENV)/.ready ## Pin pyproject.toml in uv.lock and requirements.txt; UPGRADE=torch takes its newest version
	$(BIN)/uv lock --quiet $(if $(UPGRADE),--upgrade-package $(UPGRADE))
	$(BIN)/uv export --quiet --frozen --no-default-groups --extra serve --extra airflow --extra teacher --no-hashes -o requirements.txt
