# `make run` and `make test` need nothing but Python 3.11 or later; everything goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDY ?= examples/li3ycl6/study.toml
# --no-compile: bytecode that nobody imports would add a tenth to .venv
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: setup run test check docs clean

setup: $(VENV)/.run

run: $(VENV)/.run
	$(BIN)/frustra run $(STUDY)

test: $(VENV)/.dev
	scripts/test

check: $(VENV)/.dev
	scripts/check

docs: $(VENV)/.run
	$(BIN)/python scripts/make_docs.py

clean:
	rm -rf $(VENV) runs

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) -e ".[dev]"
	touch $@ $(VENV)/.run
