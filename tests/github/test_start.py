"""The workflow that retrains is started with what drifted."""

import json

import pytest
from mlgitops.core.errors import UserError
from mlgitops.github.start import start


@pytest.fixture(autouse=True)
def _workflow(github, clone):
    """The clone is the checkout of a repository on the host that has the workflow."""
    path = ".github/workflows/retrain.yml"
    github.state["workflows"].append({"id": 2, "path": path, "state": "active"})


def test_it_starts_on_the_default_branch_with_the_reason(github):
    start("2 of 9 columns drifted", '{"wind KS": 0.4}', "https://host/run/7")
    (one,) = github.state["dispatches"]
    assert (one["workflow"], one["ref"]) == ("retrain.yml", "main")
    assert one["inputs"]["reason"] == "2 of 9 columns drifted; https://host/run/7"
    assert json.loads(one["inputs"]["drift"]) == {"wind KS": 0.4}


def test_what_is_no_drift_starts_nothing(github):
    with pytest.raises(UserError, match="DRIFT="):
        start("why", "[1]")
    assert github.state["dispatches"] == []
