# On a machine with Python 3.11+, make and git each verb does all that it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATASET ?=
PREDICT ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo month up down doctor check test bench lock

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(VENV)/.ready ## Install everything into .venv (the other verbs do this by themselves)

$(VENV)/.ready: requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements-dev.txt)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements-dev.txt
	@touch $@

demo: $(VENV)/.ready ## One night from nothing to the printed result; DATASET=folder uses real labelled photos
	$(BIN)/python -m stack demo $(if $(DATASET),--dataset "$(DATASET)")

month: $(VENV)/.ready ## One month from nothing: labels, retraining, promotion, rollback; DATASET=folder as above
	$(BIN)/python -m stack month $(if $(DATASET),--dataset "$(DATASET)")

up: $(VENV)/.ready ## Keep servers and Airflow running, with the UI
	$(BIN)/python -m stack up

down: $(VENV)/.ready ## Stop what `up` or a broken-off demo left running
	$(BIN)/python -m stack down

doctor: $(VENV)/.ready ## Check a deployment and say what to do; PREDICT=http://host:5000 asks /predict, too
	$(BIN)/python -m stack doctor $(if $(PREDICT),--predict-url "$(PREDICT)")

check: $(VENV)/.ready ## Lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(VENV)/.ready ## All tests, on real PostgreSQL, S3 and Airflow
	$(BIN)/python -m pytest

bench: $(VENV)/.ready ## Throughput beside the article's loop, and memory at 1,000 to 20,000 photos
	$(BIN)/python -m benchmarks.judge

lock: $(VENV)/.ready ## Compile requirements*.in and docker/requirements.in to pinned .txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 docker/requirements.in -o docker/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt
