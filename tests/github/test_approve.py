"""An approval that arrives, or goes, after the verdict."""

import pytest
from judged_pull import SHA, review, states, words, write_verdict
from mlgitops.core.errors import UserError
from mlgitops.github.approve import approve
from mlgitops.github.statuses import statuses

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("owners")]


def wait(pull):
    write_verdict("needs approval", "rules changed: 1")
    statuses(SHA)


def test_an_approval_turns_the_status_green_and_its_end_red_again(github, pull):
    wait(pull)
    approve(SHA)
    assert states(github) == {"gate": "failure"}
    review(pull)
    approve(SHA)
    assert states(github) == {"gate": "success"}
    pull["reviews"][0]["state"] = "DISMISSED"
    approve(SHA)
    assert states(github) == {"gate": "failure"}
    assert words(github) == "needs approval: rules changed: 1"


def test_a_comment_names_its_pull_request(github, pull):
    wait(pull)
    review(pull)
    approve(number="1")
    assert states(github) == {"gate": "success"}


def test_a_new_head_is_not_approved(github, pull):
    wait(pull)
    review(pull)
    pull["head"]["sha"] = "b" * 40
    approve(number="1")
    assert states(github, "b" * 40) == {}


@pytest.mark.parametrize("state", ["refused", "passed"])
def test_an_approval_changes_no_other_verdict(github, pull, state):
    write_verdict(state, "minimum: log_loss: worse")
    statuses(SHA)
    before = states(github)
    review(pull)
    approve(SHA)
    assert states(github) == before
    assert len(github.state["statuses"]) == 1


def test_without_a_pull_request_there_is_nothing_to_approve(github, capsys):
    approve(SHA)
    assert "nothing to approve" in capsys.readouterr().out
    with pytest.raises(UserError, match="HEAD="):
        approve()
