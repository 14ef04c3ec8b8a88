# `make run` and `make test` need nothing but Python 3.11 or later; everything goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := .venv-extras
STUDY ?= examples/li3ycl6/study.toml
# --no-compile: bytecode that nobody imports would add a tenth to .venv
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

EXTRAS_PIP := $(EXTRAS)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: setup run test extras test-extras check docs clean

setup: $(VENV)/.run

run: $(VENV)/.run
	$(BIN)/frustra run $(STUDY)

test: $(VENV)/.dev
	scripts/test

extras: $(EXTRAS)/.done

test-extras: $(EXTRAS)/.done
	scripts/test-extras

check: $(VENV)/.dev
	scripts/check

docs: $(VENV)/.run
	$(BIN)/python scripts/make_docs.py

clean:
	rm -rf $(VENV) $(EXTRAS) runs

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) -e ".[dev]"
	touch $@ $(VENV)/.run

$(EXTRAS)/bin/python:
	$(PYTHON) -m venv $(EXTRAS)

# torch first and by its version, else the packages bring another. MACE needs an e3nn that SevenNet and
# NequIP do not take: both lie in a folder that only MACE's tests look into.
$(EXTRAS)/.done: pyproject.toml | $(EXTRAS)/bin/python
	$(EXTRAS_PIP) torch==2.13.0
	$(EXTRAS_PIP) -e ".[dev,deepmd,mtp,nep,sevennet,chgnet,nequip,metatomic,hpc]"
	$(EXTRAS_PIP) torch-ema prettytable python-hostlist configargparse GitPython
	$(EXTRAS_PIP) --no-deps --upgrade --target $(EXTRAS)/mace mace-torch==0.3.16 e3nn==0.4.4
	touch $@
