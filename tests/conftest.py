"""Fixtures of whole projects, and the tests that a machine cannot run."""

import os
from pathlib import Path

import pytest
from baked import bake, clone, commit, run
from parts import PARTS

pytest_plugins = ["tables", "workspace", "judged_pull", "tracked_project"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of the night to the night."""
    if not os.environ.get("NIGHTLY"):
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test, with the reason, whose part is missing here.

    In CI that is a failure, unless `.ci/run` has named the part as one that it left out.
    """
    left_out = os.environ.get("WITHOUT", "").split()
    for name, missing in PARTS.items():
        if item.get_closest_marker(name) and (reason := missing()):
            must = os.environ.get("CI") and name not in left_out
            (pytest.fail if must else pytest.skip)(reason)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project set up and committed; tests that change it work on a `copy`."""
    project = bake(tmp_path_factory.mktemp("ready"))
    run("make", "setup", cwd=project)
    commit(project, "Start")
    return project


@pytest.fixture
def copy(ready: Path, tmp_path: Path) -> Path:
    """A clone of the ready project with its environment, free to change."""
    return clone(ready, tmp_path)
