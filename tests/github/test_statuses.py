"""The statuses of a dispatched run's commit, on a server that behaves like GitHub."""

import json
import shutil

import pytest
from made_project import TEMPLATE
from mlgitops.core.errors import UserError
from mlgitops.github.settings import RULESET
from mlgitops.github.statuses import statuses

pytestmark = pytest.mark.slow

SHA, PAGE = "a" * 40, "https://github.com/acme/bees/actions/runs/1"
JOBS = ("check", "pipeline", "gate", "report")


@pytest.fixture(autouse=True)
def rules(clone):
    """The ruleset of the project, in the checkout of the default branch."""
    RULESET.parent.mkdir(parents=True)
    shutil.copy(TEMPLATE / RULESET, RULESET)


def needs(**ends):
    """What a job that needs the four sees; those that are not named succeeded."""
    return json.dumps(
        {name: {"result": ends.get(name, "success"), "outputs": {"x": "y"}} for name in JOBS}
    )


def states(github, sha=SHA):
    """State of each context as GitHub counts it: the newest."""
    return {one["context"]: one["state"] for one in github.state["statuses"] if one["sha"] == sha}


def test_each_required_check_gets_the_end_of_its_job(github, capsys):
    statuses(SHA, needs(), PAGE)
    assert states(github) == dict.fromkeys(JOBS, "success")
    assert {one["target_url"] for one in github.state["statuses"]} == {PAGE}
    assert "gate: success on aaaaaaa" in capsys.readouterr().out


@pytest.mark.parametrize("end", ["failure", "cancelled", "skipped", "neutral", "", "Success"])
def test_whatever_is_not_a_success_is_a_failure(github, end):
    statuses(SHA, needs(gate=end))
    assert states(github) == {**dict.fromkeys(JOBS, "success"), "gate": "failure"}


def test_a_second_time_writes_nothing(github):
    statuses(SHA, needs(gate="failure"), PAGE)
    before = json.dumps(github.state["statuses"])
    statuses(SHA, needs(gate="failure"), PAGE)
    assert json.dumps(github.state["statuses"]) == before


def test_a_run_again_that_ends_otherwise_counts(github):
    statuses(SHA, needs(gate="failure"), PAGE)
    statuses(SHA, needs(), PAGE)
    assert states(github)["gate"] == "success"
    assert len(github.state["statuses"]) == 5
    statuses(SHA, needs(gate="failure"), PAGE)
    assert states(github)["gate"] == "failure"


def test_only_what_is_required_and_was_run_gets_a_status(github):
    text = RULESET.read_text().replace('{"context": "gate"}', '{"context": "elsewhere"}')
    RULESET.write_text(text)
    statuses(SHA, needs())
    assert set(states(github)) == {"check", "pipeline", "report"}


@pytest.mark.parametrize(
    "results", ["", "[]", "null", "{", '{"check": "success"}', '{"check": {}}', '{"check": null}']
)
def test_results_that_are_none_are_refused(github, results):
    with pytest.raises(UserError, match="RESULTS must be"):
        statuses(SHA, results)
    assert not github.state["requests"]


def test_results_of_other_jobs_are_refused(github):
    with pytest.raises(UserError, match=r"none of the checks that .*main.json requires: deploy"):
        statuses(SHA, '{"deploy": {"result": "success"}}')
    assert not github.state["requests"]


@pytest.mark.parametrize("head", ["", "main", "a" * 39, "../../x"])
def test_a_head_that_is_no_commit_is_refused(github, head):
    with pytest.raises(UserError, match="HEAD="):
        statuses(head, needs())
    assert not github.state["requests"]


def test_a_token_that_may_not_is_an_error_that_leaves_nothing(github, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "read")
    with pytest.raises(UserError, match=r"403 .*\nthe token may not do this"):
        statuses(SHA, needs())
    assert states(github) == {}


def test_a_status_that_was_cut_off_is_written_all_the_same(github):
    github.fail("/statuses/", 502, "Bad gateway", times=1, late=True)
    statuses(SHA, needs())
    assert states(github) == dict.fromkeys(JOBS, "success")


def test_gitea_says_status_where_github_says_state(github):
    statuses(SHA, needs(), PAGE)
    for one in github.state["statuses"]:
        one["status"] = one.pop("state")
    statuses(SHA, needs(), PAGE)
    assert len(github.state["statuses"]) == 4
