"""Whose approval of a head counts, in a review or in a comment."""

from pathlib import Path

import pytest
from judged_pull import FILES, SHA, review, states, words, write_verdict
from mlgitops.github.statuses import statuses

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("owners")]


def test_an_owners_approval_of_this_head_lets_it_pass(github, pull):
    write_verdict("needs approval", "rules changed: 1")
    review(pull)
    statuses(SHA)
    assert states(github) == {"gate": "success"}
    assert words(github) == "approved by grace: rules changed: 1"


APPROVALS = {
    "of another head": {"sha": "b" * 40},
    "of somebody else": {"login": "eve", "author_association": "COLLABORATOR"},
    "that was dismissed": {"state": "DISMISSED"},
    "that Gitea calls stale": {"stale": True},
    "that Gitea calls dismissed": {"dismissed": True},
    "that asks for changes": {"state": "CHANGES_REQUESTED"},
    "that is a remark": {"state": "COMMENTED"},
}


@pytest.mark.parametrize("kind", APPROVALS)
def test_an_approval_is_none(github, pull, kind):
    write_verdict("needs approval", "rules changed: 1")
    review(pull, **APPROVALS[kind])
    statuses(SHA)
    assert states(github) == {"gate": "failure"}
    assert words(github).startswith("needs approval: ")


def test_the_newest_review_of_a_person_counts_and_a_remark_takes_nothing_back(github, pull):
    write_verdict("needs approval", "rules changed: 1")
    review(pull)
    review(pull, state="COMMENTED")
    statuses(SHA)
    assert states(github) == {"gate": "success"}
    review(pull, state="CHANGES_REQUESTED")
    statuses(SHA)
    assert states(github) == {"gate": "failure"}


def test_where_a_team_owns_the_rules_an_insider_approves_and_a_stranger_does_not(github, pull):
    path = FILES[1]
    path.write_text(path.read_text("utf-8").replace("@Grace", "@acme/approvers"), "utf-8")
    write_verdict("needs approval", "rules changed: 1")
    review(pull, login="eve", author_association="CONTRIBUTOR")
    statuses(SHA)
    assert states(github) == {"gate": "failure"}
    review(pull, login="linus", author_association="MEMBER")
    statuses(SHA)
    assert states(github) == {"gate": "success"}


def comment(github, body, login="Grace"):
    github.state["comments"].append(
        {"id": len(github.state["comments"]) + 1, "issue": 1, "body": body,
         "user": {"login": login, "type": "User"}}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "login", "wanted"),
    [
        (f"/approve {SHA[:12]}", "Grace", "success"),
        (f" /approve {SHA}\n", "grace", "success"),
        (f"/approve {SHA[:12]}", "eve", "failure"),
        ("/approve " + "b" * 12, "Grace", "failure"),
        ("/approve", "Grace", "failure"),
        (f"> /approve {SHA[:12]}", "Grace", "failure"),
        (f"/approve {SHA[:6]}", "Grace", "failure"),
    ],
)
def test_a_person_alone_approves_by_a_comment_with_the_commit(github, pull, body, login, wanted):
    Path("gate.yaml").write_text("approve: {by: comment}\n")
    write_verdict("needs approval", "rules changed: 1")
    review(pull)  # counts for nothing here
    comment(github, body, login)
    statuses(SHA)
    assert states(github) == {"gate": wanted}


def test_a_comment_approves_nothing_where_reviews_do(github, pull):
    write_verdict("needs approval", "rules changed: 1")
    comment(github, f"/approve {SHA[:12]}")
    statuses(SHA)
    assert states(github) == {"gate": "failure"}
