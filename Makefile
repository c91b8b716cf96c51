# Every command of the template. `make` alone lists them; each works on a fresh machine.
.DEFAULT_GOAL := help
.PHONY: help demo test check bake bench sample
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# What a tool leaves in the template folder would be baked into projects.
export PYTHONDONTWRITEBYTECODE := 1
PROJECT := {{cookiecutter.project_slug}}
OUTPUT ?= build

help: ## List the commands
	@python3 -c 'import re; [print(f"make {n:8}{t}") for n, t in re.findall(r"^([a-z]+):.*## (.*)$$", open("Makefile").read(), re.M)]'

# uv makes the environment; where it is not installed, a virtual environment holds it.
.venv/.made: pyproject.toml
	@command -v uv >/dev/null || { python3 -m venv .venv && .venv/bin/pip install --quiet uv; }
	uv sync --quiet --inexact
	@touch $@

demo: .venv/.made ## The whole story, in build/demo: generate, train, change, release, roll back [WAY=process: no Docker]
	@python demo/run.py

test: .venv/.made ## Every test; what a test lacks on this machine is said
	pytest $(PYTEST)

check: .venv/.made ## The quick ones: lint and rules
	ruff check
	ruff format --check
	pytest tests/test_rules.py tests/test_bake.py

bake: .venv/.made ## Make a project: [OUTPUT=folder]
	cookiecutter --output-dir "$(OUTPUT)" .

bench: .venv/.made ## Speed and memory against baselines of the same run [ONLY=serving, workflows]
	@python benchmarks/$(or $(ONLY),run).py

sample: .venv/.made ## Remake the sample and the season that arrives later
	@python demo/sample.py
