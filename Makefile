# Every command of the template. `make` alone lists them; each works on a fresh machine.
.DEFAULT_GOAL := help
.PHONY: help demo test check bake bench sample golden manifest
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# What a tool leaves in the template folder would be baked into projects.
export PYTHONDONTWRITEBYTECODE := 1
PROJECT := {{cookiecutter.project_slug}}
OUTPUT ?= build
# What shares the one Docker of a machine runs one after the other.
ONE_DOCKER := docker or compose or stack or git_host or cluster or demo

help: ## List the commands
	@python3 -c 'import re; [print(f"make {n:9}{t}") for n, t in re.findall(r"^([a-z]+):.*## (.*)$$", open("Makefile").read(), re.M)]'

# uv makes the environment; where it is not installed, a virtual environment holds it.
.venv/.made: pyproject.toml library/pyproject.toml
	@command -v uv >/dev/null || { python3 -m venv .venv && .venv/bin/pip install --quiet uv; }
	uv sync --quiet --inexact
	@touch $@

# A project is made with it; a folder is newer when a file of it has come or gone.
# In CI it must be committed as it should be.
library/MANIFEST: $(if $(CI),,$(shell find library ! -name MANIFEST ! -name __pycache__ ! -name '*.pyc'))
	@.ci/manifest

demo: .venv/.made library/MANIFEST ## Show everything, in build/demo: generate, train, change, release, roll back [WAY=process: no Docker]
	@python demo/run.py

test: .venv/.made library/MANIFEST ## Run every test; skipped tests say why [NIGHTLY=1: also those that only run at night]
	pytest --numprocesses auto --maxprocesses 4 -m "not ($(ONE_DOCKER))" $(PYTEST)
	pytest -m "$(ONE_DOCKER)" $(PYTEST)

check: .venv/.made library/MANIFEST ## Run the quick checks: lint, types, import order of the library's rooms, rules
	ruff check
	ruff check --preview --select PLW1514 library hooks demo benchmarks
	ruff format --check
	mypy
	lint-imports --no-logo
	pytest -m "not slow" tests/template/test_rules.py tests/template/test_bake.py tests/template/test_library.py

bake: .venv/.made library/MANIFEST ## Generate a project: [OUTPUT=folder]
	BAKE_FOLDER="$(OUTPUT)" cookiecutter --output-dir "$(OUTPUT)" .

bench: .venv/.made library/MANIFEST ## Measure speed and memory against baselines [ONLY=serving, workflows, monitor]
	@python benchmarks/$(or $(ONLY),run).py

sample: .venv/.made ## Remake the sample and the months that arrive later
	@python demo/sample.py

golden: .venv/.made library/MANIFEST ## Make tests/golden/golden.json again, after raising the pipeline version
	@python tests/golden/remake.py

manifest: ## List every file of the library with its hash in library/MANIFEST
	@.ci/manifest
