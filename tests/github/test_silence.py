"""Drift that people declined is read from the proposal that they closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core.errors import UserError
from mlgitops.github import client, silence

BRANCH = "bot/retrain"
BEFORE = {"wind KS": 0.3, "all columns together 2 AUC - 1": 0.4}
drifts = st.dictionaries(st.text(), st.floats(0, 1e6), min_size=1)


@given(drifts)
def test_what_drifted_is_read_from_the_mark_whatever_it_is_called(drift):
    text = silence.mark(drift)
    assert text.count("-->") == 1
    assert silence.parse(silence.MARK.search(f"a report\n{text}\nand more")[1]) == drift


def test_a_name_cannot_leave_the_mark():
    text = silence.mark({"--> @everyone <!--": 1.0})
    assert text.index("-->") == len(text) - 3


@pytest.mark.parametrize("text", ["[]", "3", '{"a": "b"}', '{"a": null}', "x"])
def test_what_is_no_drift_is_refused(text):
    with pytest.raises(UserError, match="DRIFT="):
        silence.parse(text)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"wind KS": 0.3}, {}),
        ({"wind KS": 0.35}, {}),
        ({"wind KS": 0.37}, {"wind KS": 0.37}),
        ({"wind PSI": 0.3}, {"wind PSI": 0.3}),
        ({"wind KS": 0.1, "rain KS": 0.2}, {"rain KS": 0.2}),
        ({}, {}),
    ],
)
def test_only_what_is_new_or_has_grown_is_told_again(now, told):
    assert silence.loud(now, BEFORE) == told


def pull(github, number, state="closed", branch=BRANCH, body="", **more):
    head = {"ref": branch, "label": f"acme:{branch}", "repo": {"full_name": "acme/bees"}, "sha": ""}
    github.state["pulls"].append(
        {"number": number, "state": state, "head": head, "body": body, "labels": [], **more}
    )


@pytest.fixture
def there(github, clone):
    github.git = None
    return client.connect


def test_nothing_was_declined_without_a_proposal(github, there):
    pull(github, 1, branch="another", body=silence.mark(BEFORE))
    assert silence.find_declined(there(), BRANCH) == {}


def test_a_proposal_that_a_person_closed_declines_what_it_had(github, there):
    pull(github, 1, body=f"The report\n\n{silence.mark(BEFORE)}\n")
    pull(github, 2, state="open", body=silence.mark({"another": 1.0}))
    assert silence.find_declined(there(), BRANCH) == BEFORE


def test_a_fork_silences_nothing_where_the_host_does_not_filter(github, there):
    pull(github, 1, body=silence.mark(BEFORE))
    github.state["pulls"][0]["head"]["repo"] = {"full_name": "mallory/bees"}
    assert silence.find_declined(there(), BRANCH) == {}


@pytest.mark.parametrize("newer", [{"merged_at": "2026-01-01T00:00:00Z"}, {"body": None}])
def test_a_newer_one_that_was_merged_or_had_no_drift_ends_the_silence(github, there, newer):
    pull(github, 1, body=silence.mark(BEFORE))
    pull(github, 2, **{"body": silence.mark(BEFORE)} | newer)
    assert silence.find_declined(there(), BRANCH) == {}
