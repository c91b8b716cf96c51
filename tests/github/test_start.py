"""The workflow that retrains is started with what drifted, unless people have declined it."""

import json

import pytest
from mlgitops.core.errors import UserError
from mlgitops.github import silence
from mlgitops.github.start import start

BRANCH = "bot/retrain"
DRIFT = {"wind KS": 0.4}


@pytest.fixture(autouse=True)
def _workflow(github, clone):
    """The clone is the checkout of a repository on the host that has the workflow."""
    path = ".github/workflows/retrain.yml"
    github.state["workflows"].append({"id": 2, "path": path, "state": "active"})


def test_it_starts_on_the_default_branch_with_the_reason(github):
    start(BRANCH, "2 of 9 columns drifted", json.dumps(DRIFT), "https://host/run/7")
    (one,) = github.state["dispatches"]
    assert (one["workflow"], one["ref"]) == ("retrain.yml", "main")
    assert one["inputs"]["reason"] == "2 of 9 columns drifted; https://host/run/7"
    assert json.loads(one["inputs"]["drift"]) == DRIFT


def test_what_people_declined_starts_nothing_until_it_has_grown(github, capsys):
    head = {"ref": BRANCH, "label": f"acme:{BRANCH}", "repo": {"full_name": "acme/bees"}, "sha": ""}
    body = f"A report\n{silence.mark(DRIFT)}"
    github.state["pulls"].append(
        {"number": 1, "state": "closed", "head": head, "body": body, "labels": []}
    )
    github.git = None
    start(BRANCH, "why", json.dumps(DRIFT))
    assert github.state["dispatches"] == []
    assert "the closed proposal had this drift" in capsys.readouterr().out
    start(BRANCH, "why", json.dumps({"wind KS": 0.5}))
    assert len(github.state["dispatches"]) == 1


def test_what_is_no_drift_starts_nothing(github):
    with pytest.raises(UserError, match="DRIFT="):
        start(BRANCH, "why", "[1]")
    assert github.state["dispatches"] == []
