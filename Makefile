# Needs python3 (3.11 or newer), pip and make; everything else lands in .venv, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export JAX_PLATFORMS ?= cpu

.PHONY: demo test test-agent test-slow test-verl test-verifiers lint docs clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[agent,minigrid,constraints,lm,smol,llm,dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python examples/demo.py

test: $(STAMP) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Training programs of the agent take half a minute each to compile on a fresh machine, seconds afterwards.
test-agent: $(STAMP)
	$(BIN)/python -m pytest -m 'agent and not slow' -n 2 --dist loadfile

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

# verl's pins go with no other learner's, so it has an environment and a test run of its own.
VERL := .venv-verl
VERL_STAMP := $(VERL)/.installed

$(VERL_STAMP): pyproject.toml constraints-verl.txt
	test -x $(VERL)/bin/python || $(PYTHON) -m venv $(VERL)
	$(VERL)/bin/python -m pip install -q --disable-pip-version-check -c constraints-verl.txt -e '.[verl]' pytest
	touch $@

test-verl: $(VERL_STAMP)
	$(VERL)/bin/python -m pytest tests/verl

# So do those of verifiers, for which there is an environment package.
VERIFIERS := .venv-verifiers
VERIFIERS_STAMP := $(VERIFIERS)/.installed

$(VERIFIERS_STAMP): pyproject.toml integrations/verifiers/pyproject.toml constraints-verifiers.txt
	test -x $(VERIFIERS)/bin/python || $(PYTHON) -m venv $(VERIFIERS)
	$(VERIFIERS)/bin/python -m pip install -q --disable-pip-version-check -c constraints-verifiers.txt \
		-e '.[constraints]' -e integrations/verifiers pytest
	touch $@

test-verifiers: $(VERIFIERS_STAMP)
	$(VERIFIERS)/bin/python -m pytest tests/integrations

# The site is made from pages and source text alone, so it has a small environment without any engine.
DOCS := .venv-docs
DOCS_STAMP := $(DOCS)/.installed

$(DOCS_STAMP): pyproject.toml constraints.txt
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict --quiet
	@echo 'open site/index.html, or serve it: $(DOCS)/bin/python -m mkdocs serve'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(VERL) $(VERIFIERS) $(DOCS) site demo .pytest_cache .mypy_cache .ruff_cache
