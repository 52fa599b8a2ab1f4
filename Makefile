# Everything runs with the packages of .venv and the programs of .tools, which `make setup` provides.
SHELL := bash
PYTHON ?= python3
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/bin:$(PATH)

.PHONY: help setup demo test faults e2e e2e-kind cluster check bench bench-delivery bench-deployments bench-rotations lock clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile

setup: .venv/project.stamp .tools/programs.stamp  ## install what the other targets need (once)

demo: setup  ## render the example platform
	@python ci/demo.py $(ARGS)

test: setup  ## run the tests, e.g. make test ARGS='-k url'
	@pytest -n 2 --dist worksteal --ignore tests/cluster $(ARGS)

faults: setup  ## break a rotation at every step, in every way; then let random operators do their worst
	@pytest -n 2 --dist worksteal tests/faults --every-fault $(ARGS)
	@HISTORIES=1000 pytest -n 2 tests/tools/test_operators.py

e2e: setup  ## deliver through a real Flux and Argo CD (builds them: 17 minutes, once)
	@python -m ci.cluster.build --docker
	@pytest tests/cluster $(ARGS)

e2e-kind: setup  ## the same in kind, where containers run and images can be pulled
	@python -m ci.cluster.build --kind
	@python -m ci.cluster.kind
	@PYTHONPATH=.tools/kind pytest tests/cluster --kind -rs $(ARGS)

cluster: setup  ## start Kubernetes, Flux and Argo CD on loopback
	@python -m ci.cluster.build
	@python -m ci.cluster.control_plane $(ARGS)

check: setup  ## check format, style, types and imports
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports --no-logo

bench: setup  ## measure a render
	@python -m ci.bench.render $(ARGS)

bench-delivery: setup  ## measure the time from a commit to the applied Secret
	@python -m ci.cluster.build
	@python -m ci.bench.delivery $(ARGS)

bench-deployments: setup  ## simulate 1,000 deployments with a database, the old way and ours
	@python -m ci.bench.deployments $(ARGS)

bench-rotations: setup  ## rotate a database's password 100 times under load, and count failed logins
	@python -m ci.bench.rotations $(ARGS)

lock: .venv/packages.stamp  ## write the locks anew, e.g. make lock ARGS='--upgrade-package ruff'
	@cd ci/tools && for name in requirements go; do $(LOCK) $(ARGS) $$name.in -o $$name.txt || exit; done
	@cd ci/tools && $(LOCK) --constraint requirements.txt ../../pyproject.toml -o runtime.txt
	@cd ci/tools && $(LOCK) --constraint requirements.txt --extra postgres --extra cluster ../../pyproject.toml -o database.txt
	@cd ci/tools && $(LOCK) --constraint requirements.txt wheel.in -o wheel.txt
	@cd ci/tools && $(LOCK) --constraint requirements.txt kind.in -o kind.txt

clean:  ## remove what make made
	rm -rf .venv .tools dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/packages.stamp: ci/tools/requirements.txt ci/tools/install.py
	@$(PYTHON) ci/tools/install.py packages
	@touch $@

.venv/project.stamp: pyproject.toml .venv/packages.stamp
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@python -m compileall -q kustomize-plugin
	@touch $@

.tools/programs.stamp: ci/tools/go.mod ci/tools/go.sum ci/tools/install.py | .venv/packages.stamp
	@$(PYTHON) ci/tools/install.py programs
	@touch $@
