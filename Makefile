PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= orchestrator,worker,cpu,local,sample,breeze,store,lightgbm,tune,onnx,mlflow,flower,dashboard,docs,dev

# More processes than cores for tests that start fleets: they wait for other processes most of the time.
WORKERS ?= 4
# Groups that tests/conftest.py makes stay together, and start in its order. As in a worker, one thread per process:
# without it, BLAS threads that wait take a quarter of the CPU time of a training test.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --dist loadgroup --no-loadscope-reorder
# Without cached bytecode each of the tests' hundreds of processes compiles the project anew.
unexport PYTHONDONTWRITEBYTECODE

ENV ?= staging
BY ?= $(shell id -un)

# Runs targets at once, all of them even if one fails; make names the ones that failed.
TOGETHER = $(MAKE) --no-print-directory --keep-going --jobs

.DEFAULT_GOAL := help
.PHONY: help setup run fmt check test units units-learning units-devices units-others tests deploy-staging deploy-production rollback chaos bench pictures lint types docs lock sbom clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '%-18s %s\n' "$$name" "$$text"; done

setup: .venv/.ready  ## make .venv with everything that `run` and `test` need

run: setup  ## the main job on real bars, with an embedded broker
	$(BIN)/orchestrator run --source sample

fmt: setup  ## format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: setup  ## lint, types, docs and quick forms of the tests that start no fleet, all at once (about 80 seconds)
	@$(TOGETHER) lint types docs units

test: setup  ## lint, types, docs and every test, all at once (about eight minutes on two cores)
	@$(TOGETHER) lint types docs tests

# Quick forms: without tests marked slow; of generated inputs a quarter, of random walks a third. Three processes, each
# with the folders of its own, of about the same CPU time: one more than cores, as some tests wait.
QUICKLY = QUICK_TESTS=1 $(PYTEST) -m "not fleet and not slow"
DEVICES_TESTS := $(addprefix tests/workers/,bars celery devices handlers) tests/controls tests/gpu
LEARNING_TESTS := $(filter-out $(DEVICES_TESTS),$(patsubst %/,%,$(wildcard tests/workers/*/))) tests/benchmarks

units: units-learning units-devices units-others

units-learning: setup
	$(QUICKLY) $(LEARNING_TESTS)

units-devices: setup
	$(QUICKLY) $(DEVICES_TESTS)

units-others: setup
	$(QUICKLY) tests $(addprefix --ignore=,tests/workers tests/controls tests/benchmarks tests/gpu tests/system tests/orchestrator/dashboard)

tests: setup
	$(PYTEST) -n $(WORKERS)

deploy-staging: setup  ## make an approved run live in staging: make deploy-staging RUN=...
	$(BIN)/orchestrator deploy $(or $(RUN),$(error which run? Give RUN=...)) --to staging --by "$(BY)"

deploy-production: setup  ## make a release that was in staging live in production: make deploy-production RUN=...
	$(BIN)/orchestrator deploy $(or $(RUN),$(error which run? Give RUN=...)) --to production --by "$(BY)"

rollback: setup  ## make the previous release live again: make rollback ENV=staging
	$(BIN)/orchestrator rollback $(ENV) --by "$(BY)"

chaos: setup  ## inject every fault into a real fleet; prints the table of docs/reliability.md (about twenty minutes)
	$(BIN)/python -m tests.chaos

bench: setup  ## measure dispatch, then compare it with joblib, Dask, Ray and plain Celery (about twenty minutes, on an idle machine)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.lock -e '.[$(EXTRAS),bench]'
	$(BIN)/python -m benchmarks.dispatch
	$(BIN)/python -m benchmarks.peers

pictures: setup  ## draw the pictures of README and docs anew: make pictures BARS=csv:FOLDER (about six minutes, on an idle machine)
	$(BIN)/python docs/pictures.py $(or $(BARS),$(error which bars? Give BARS=csv:FOLDER))
	$(BIN)/python docs/moving_picture.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

docs: setup  ## build the documentation site into build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# What fleets and tests import, as far as the extras hold it: imported once, it is compiled before many processes start.
# To compile every file of every package takes three times as long.
IMPORTED := altair arch.bootstrap celery.apps.worker celery.bin.celery celery.concurrency.prefork cryptography.x509 \
	exchange_calendars hypothesis.strategies jinja2 kombu.transport.redis pandas playwright.sync_api prometheus_client pyarrow.parquet \
	rich.console sklearn.linear_model starlette.testclient statsmodels.api typer.testing uvicorn xdist.remote xgboost

.venv/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "setting up .venv (once, about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.lock -e '.[$(EXTRAS)]'
	@$(BIN)/python -c 'import importlib as i, importlib.util, sys; \
		here = [each for each in sys.argv[1:] if i.util.find_spec(each.partition(".")[0])]; \
		[i.import_module(each) for each in here]' $(IMPORTED)
	@touch $@

lock:  ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --all-extras --upgrade --python-version 3.11 \
		--no-header --no-annotate pyproject.toml -o requirements.lock
	$(BIN)/python docs/generate.py

sbom: setup  ## write build/sbom (CycloneDX) and docs/licences.md; fails if a licence is unknown or strong copyleft
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.lock -e '.[$(EXTRAS),sbom]'
	$(BIN)/python docs/licences.py

clean:  ## remove .venv and what tools cached; data, logs and releases stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
