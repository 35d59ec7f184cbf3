# make demo             open napari on a real image, the annotator docked
# make demo HEADLESS=1  the same clicks without a display, into demo-output/
# make test             the whole test suite
# make test THOROUGH=1  the same with more random tries, and with kills everywhere
# make test-lowest      tests of what reads, computes and writes, with the lowest
#                       versions that pyproject.toml allows (all but torch)
# make check            what CI runs besides the tests
# make docs             the documentation as a site, into site/
# make screenshots      the pictures in docs/images, anew
# make gallery          the pictures of the examples, anew
#
# Each sets up what it needs, once. To choose: PYTHON=python3.12, VENV=folder,
# TORCH="torch==2.13.0" or TORCH=torch (a GPU build where there is a GPU),
# LOWEST=folder.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$p && break; done)
VENV ?= .venv
LOWEST ?= .venv-lowest
LOWEST_PYTHON ?= $(firstword $(shell command -v python3.11) $(PYTHON))
TORCH ?= torch==2.13.0
HEADLESS ?=
THOROUGH ?= 0
OUT ?= demo-output

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
LOWEST_BIN := $(LOWEST)/Scripts
else
BIN := $(VENV)/bin
LOWEST_BIN := $(LOWEST)/bin
endif

.PHONY: demo test test-lowest check lint spelling types layers manifest metadata \
	wheel docs screenshots gallery clean

demo: $(VENV)/.demo-is-set-up
	$(BIN)/napari-sam demo $(if $(filter-out 0 no,$(HEADLESS)),--headless) --out $(OUT) \
	    $(if $(filter demo-output,$(OUT)),--overwrite)

test: $(VENV)/.tests-are-set-up
	NAPARI_SAM_THOROUGH=$(THOROUGH) \
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

test-lowest: $(LOWEST)/.is-set-up
	$(LOWEST_BIN)/python -m pytest -n auto --dist worksteal tests/io tests/ops \
		tests/checkpoints tests/inference tests/workflows $(PYTEST_ARGS)

check: lint spelling types layers manifest metadata wheel docs

lint: $(VENV)/.tests-are-set-up
	$(BIN)/ruff check
	$(BIN)/ruff format --check

spelling: $(VENV)/.tests-are-set-up
	$(BIN)/typos

types: $(VENV)/.tests-are-set-up
	$(BIN)/mypy --strict

layers: $(VENV)/.tests-are-set-up
	$(BIN)/lint-imports

manifest: $(VENV)/.tests-are-set-up
	$(BIN)/npe2 validate napari_sam/napari.yaml

metadata: $(VENV)/.tests-are-set-up
	$(BIN)/validate-pyproject pyproject.toml

wheel: $(VENV)/.tests-are-set-up
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python scripts/check_wheel.py dist/*.whl

docs: $(VENV)/.docs-are-set-up
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

screenshots: $(VENV)/.demo-is-set-up
	xvfb-run -a -s '-screen 0 1600x1000x24' $(BIN)/python docs/make_screenshots.py

gallery: $(VENV)/.demo-is-set-up
	xvfb-run -a -s '-screen 0 1600x1000x24' $(BIN)/python docs/make_gallery.py

clean:
	rm -rf $(VENV) $(LOWEST) dist demo-output site

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

$(VENV)/.docs-are-set-up: $(VENV)/.demo-is-set-up
	@$(BIN)/python -m pip install -qq --editable ".[all,docs]"
	@touch $@

# Of torch the index has only builds of gigabytes on Linux; it stays as TORCH says.
$(LOWEST)/.is-set-up: scripts/system_packages.sh scripts/install_torch.py pyproject.toml
	@test -n "$(LOWEST_PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed"; exit 1; }
	@PYTHON="$(LOWEST_PYTHON)" sh scripts/system_packages.sh
	@echo "Setting up $(LOWEST), once; this takes a few minutes"
	@test -x $(LOWEST_BIN)/python || $(LOWEST_PYTHON) -m venv $(LOWEST)
	@$(LOWEST_BIN)/python scripts/install_torch.py "$(TORCH)"
	@$(LOWEST_BIN)/python -m pip install -qq uv
	@$(LOWEST_BIN)/uv pip compile -q --resolution lowest-direct \
		--python $(LOWEST_BIN)/python --extra test --extra pyqt6 \
		--no-annotate --no-header --output-file $(LOWEST)/all.txt pyproject.toml
	@grep -vE '^(torch|triton|nvidia-.*|cuda-.*)==' $(LOWEST)/all.txt \
		> $(LOWEST)/lowest.txt
	@$(LOWEST_BIN)/uv pip install -q --python $(LOWEST_BIN)/python --no-deps \
		--requirement $(LOWEST)/lowest.txt
	@$(LOWEST_BIN)/uv pip install -q --python $(LOWEST_BIN)/python --no-deps \
		--editable .
	@touch $@
