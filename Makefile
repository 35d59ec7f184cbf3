# make demo             open napari on a real image, the annotator docked
# make demo HEADLESS=1  the same clicks without a display, into demo-output/
# make test             the whole test suite
# make check            what CI runs besides the tests
# make screenshots      the pictures in docs/images, anew
#
# Each sets up what it needs, once. To choose: PYTHON=python3.12, VENV=folder,
# TORCH="torch==2.13.0" or TORCH=torch (a GPU build where there is a GPU).

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$p && break; done)
VENV ?= .venv
TORCH ?= torch==2.13.0
HEADLESS ?=
OUT ?= demo-output

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: demo test check lint types layers manifest wheel screenshots clean

demo: $(VENV)/.demo-is-set-up
	$(BIN)/napari-sam demo $(if $(filter-out 0 no,$(HEADLESS)),--headless) --out $(OUT)

test: $(VENV)/.tests-are-set-up
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

check: lint types layers manifest wheel

lint: $(VENV)/.tests-are-set-up
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.tests-are-set-up
	$(BIN)/mypy --strict

layers: $(VENV)/.tests-are-set-up
	$(BIN)/lint-imports

manifest: $(VENV)/.tests-are-set-up
	$(BIN)/npe2 validate napari_sam/napari.yaml

wheel: $(VENV)/.tests-are-set-up
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python scripts/check_wheel.py dist/*.whl

screenshots: $(VENV)/.demo-is-set-up
	xvfb-run -a -s '-screen 0 1600x1000x24' $(BIN)/python docs/make_screenshots.py

clean:
	rm -rf $(VENV) dist demo-output

$(VENV)/.torch-is-set-up: scripts/system_packages.sh scripts/install_torch.py
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed"; exit 1; }
	@PYTHON="$(PYTHON)" sh scripts/system_packages.sh
	@echo "Setting up $(VENV), once; this takes a few minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python scripts/install_torch.py "$(TORCH)"
	@touch $@

$(VENV)/.demo-is-set-up: $(VENV)/.torch-is-set-up pyproject.toml
	@$(BIN)/python -m pip install -qq --editable ".[all]"
	@touch $@

$(VENV)/.tests-are-set-up: $(VENV)/.demo-is-set-up
	@$(BIN)/python -m pip install -qq --editable ".[all,test,dev]"
	@touch $@
