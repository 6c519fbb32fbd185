# `make help` lists the targets. Each that needs the virtual environment makes it first.

PYTHON ?= python3
# Test processes. Each holds a JAX of its own, about 1 GiB.
WORKERS ?= 2
# More arguments for pytest: make test ARGS="-k em -x"
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_LIGHT := $(VENV)/.installed-light
FIRST_RUN := runs/first

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of programs. Without bytecode on disk each of them compiles the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run study test test-slow test-gymnax bench-ppo mutants check docs format bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(INSTALLED) ## make .venv: handful (editable), every extra and the development tools, all pinned

# What both installations begin with: a Python that is new enough, and a virtual environment with pip.
define make-venv
@command -v $(PYTHON) >/dev/null || \
  { echo "There is no $(PYTHON) here: name a Python 3.11 or newer with 'make PYTHON=...'." >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "handful needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1): name another with 'make PYTHON=...'." >&2; exit 1; }
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
endef

PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

# A first run needs the core and the report alone; the rest comes on top, into the same environment.
$(INSTALLED_LIGHT): pyproject.toml constraints.txt
	$(make-venv)
	@echo "Installing handful and what a first run needs into $(VENV) (half a minute the first time)."
	@$(PIP_INSTALL) '.[report]'
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt
	$(make-venv)
	@echo "Installing handful, every extra and the tools into $(VENV) (some minutes the first time)."
	@$(PIP_INSTALL) '.[all,dev]'
	@touch $(INSTALLED_LIGHT) $@

run: $(INSTALLED_LIGHT) ## train five policies for 25 users and write a report: a minute and a half
	rm -rf $(FIRST_RUN)
	$(BIN)/handful train resource-gathering --policies 5 --preset fast --seed 1 --steps 1000000 --out $(FIRST_RUN)
	@test -f $(FIRST_RUN)/report.html || $(BIN)/handful report $(FIRST_RUN)
	@echo "Open $(FIRST_RUN)/report.html"

# All that docs/study.md rests on. Finished runs are skipped, also those that only the tables in results/ know of.
STUDIES := resource-gathering robots-fast robots-auto robots ablations

study: $(INSTALLED) ## run what is left of the whole study, then draw its tables and figures: from nothing, days on two cores
	@set -e; for study in $(STUDIES); do $(BIN)/handful sweep studies/$$study.yaml; done
	$(BIN)/python studies/attainable.py
	$(BIN)/python -m studies.paper.figures
	$(BIN)/python -m studies.leaderboard

# The tests of `handful render` need OpenGL without a screen, which pip cannot install.
GL := $(VENV)/.gl
$(GL): $(INSTALLED)
	@$(BIN)/python -c 'from handful.domains.speeds.film import choose_backend; choose_backend()' 2>/dev/null || { \
	  command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || SUDO=sudo; $$SUDO apt-get -qq update && $$SUDO apt-get -qq install -y libosmesa6 >/dev/null; }; \
	  $(BIN)/python -c 'from handful.domains.speeds.film import choose_backend; choose_backend()'; }
	@touch $@

# The test of the study's page looks at it in a real browser.
BROWSER := $(VENV)/.browser
FIND_BROWSER := { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
$(BROWSER): $(INSTALLED)
	@$(FIND_BROWSER) || { \
	  command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || SUDO=sudo; $$SUDO apt-get -qq update && DEBIAN_FRONTEND=noninteractive $$SUDO apt-get -qq install -y chromium >/dev/null; }; \
	  $(FIND_BROWSER) || { echo "The tests need Chromium: install it." >&2; exit 1; }; }
	@touch $@

test: $(GL) $(BROWSER) ## run the tests, less the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-slow: $(GL) $(BROWSER) ## run the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow $(ARGS)

# gymnax wants an older Gymnasium than the rest is tested with, so it gets a virtual environment of its own.
GYMNAX := .venv-gymnax
$(GYMNAX)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(GYMNAX)
	$(GYMNAX)/bin/python -m pip install --quiet --editable '.[gymnax,dev]'
	@touch $@

test-gymnax: $(GYMNAX)/.installed ## run the tests that need gymnax
	$(GYMNAX)/bin/python -m pytest -m gymnax tests/envs/test_gymnax.py $(ARGS)

# Stable-Baselines3 brings PyTorch, which is far larger than all the rest.
SB3 := .venv-sb3
$(SB3)/.installed: benchmarks/requirements.txt
	$(PYTHON) -m venv --clear $(SB3)
	$(SB3)/bin/python -m pip install --quiet --requirement benchmarks/requirements.txt
	@touch $@

bench-ppo: $(INSTALLED) $(SB3)/.installed ## run what is left of our PPO beside Stable-Baselines3's: two hours on one core
	$(BIN)/python benchmarks/ppo_beside_sb3.py --sb3-python $(SB3)/bin/python --page docs/results.md

# What is known already is not tried again: a run that was killed goes on, and ARGS=--again forgets all.
mutants: $(INSTALLED) ## put small faults into the sources, one at a time, and see that tests notice: an hour on two cores
	$(BIN)/python tools/mutants.py --jobs $(WORKERS) $(ARGS)

check: $(INSTALLED) ## lint, format, types, who imports whom, the documentation site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs

docs: $(INSTALLED) ## build the documentation site into site/; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: $(INSTALLED) ## mend the format, and the lint that can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## run every benchmark
	@set -e; for benchmark in $(sort $(wildcard benchmarks/bench_*.py)); do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

clean: ## remove all that make made, except the runs
	rm -rf $(VENV) $(GYMNAX) $(SB3) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
