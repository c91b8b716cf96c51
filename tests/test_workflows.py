"""The generated workflows, run for real: on each event, what a job's end is and what it did."""

import pytest
from conftest import run
from workflows import Lab

pytestmark = pytest.mark.act


@pytest.fixture(scope="session")
def environments(ready, tmp_path_factory):
    """Where the runner's machines find environments; the whole one is the ready project's."""
    folder = tmp_path_factory.mktemp("environments")
    (folder / "-").symlink_to(ready)
    return folder


@pytest.fixture
def lab(ready, environments, tmp_path):
    """A repository of its own for each test."""
    made = Lab(ready, tmp_path, environments)
    with made.github:
        yield made


def test_a_change_that_trains_nothing_passes_in_seconds(lab):
    lab.branch("words")
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    ran = lab.run("check.yml", "pull_request", lab.opened("words"), without=("check",))
    assert ran.green, ran.said
    assert "nothing ran; the gate passes" in ran.said
    assert "Running stage" not in ran.said
    assert lab.comments()[0].startswith("<!-- report -->\n## ✅ Passed")
    assert lab.github.state["dispatches"] == []
