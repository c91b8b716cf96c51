from pathlib import Path

import pytest
from made_project import IMAGE
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.releases.promote import promote

STAGING, PRODUCTION = (Path(f"deploy/{name}/release.env") for name in release_env.ENVIRONMENTS)
OTHER = IMAGE.replace("a" * 64, "b" * 64)


@pytest.fixture
def staged(workspace):
    """A project of which staging runs the first commit, and production nothing."""
    start = repository.head()
    for environment in release_env.ENVIRONMENTS:
        release_env.write(environment, None)
    workspace.commit("Nothing is released")
    workspace.release(start)
    workspace.commit("Release to staging")
    return workspace


def refused(said):
    before = PRODUCTION.read_bytes()
    with pytest.raises(UserError, match=said) as mistake:
        promote()
    assert PRODUCTION.read_bytes() == before
    assert len(str(mistake.value).splitlines()) <= 2


def test_production_becomes_what_staging_runs(staged, capsys):
    promote()
    assert PRODUCTION.read_bytes() == STAGING.read_bytes()
    said = capsys.readouterr().out
    start = release_env.read("staging").commit[:7]
    assert f"production: nothing -> {start} Start\n  - IMAGE=\n" in said
    assert f'git commit --message "Promote {start} to production" {PRODUCTION}' in said
    assert staged.git("status", "--porcelain").strip() == f"M {PRODUCTION}"
    assert release_env.problems() == []


def test_the_same_promotion_again_does_nothing_and_says_so(staged, capsys):
    promote()
    promote()
    start = release_env.read("staging").commit[:7]
    line = f"nothing to do: production has {start} Start already"
    assert capsys.readouterr().out.splitlines()[-1] == f"{line}, not committed"
    staged.commit("Promote")
    promote()
    assert capsys.readouterr().out == f"{line}\n"


def test_nothing_in_staging_is_refused(staged):
    release_env.write("staging", None)
    staged.commit("Take it down")
    refused("staging has no release: make release")


def test_a_release_that_is_not_committed_is_refused(staged):
    STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
    refused("staging/release.env is not as it was committed")


def test_a_release_that_staging_never_ran_is_refused(staged):
    staged.git("switch", "--quiet", "--create", "branch")
    STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
    staged.commit("Release on a branch")
    refused("is not merged to main, so staging never ran it: merge it first")
    staged.git("switch", "--quiet", "main")
    staged.git("merge", "--quiet", "--no-ff", "branch")
    promote()


def test_a_branch_that_is_behind_main_is_refused(staged):
    staged.git("switch", "--quiet", "--create", "behind")
    staged.git("switch", "--quiet", "main")
    STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
    staged.commit("Release another")
    staged.git("switch", "--quiet", "behind")
    refused("main has another release by now: git pull")


def test_what_a_case_was_made_for_is_refused_once_staging_has_gone_on(staged):
    case = repository.head()
    for subject in ("Something else", "Release another"):
        staged.git("switch", "--quiet", "--detach", case)
        promote()
        staged.git("restore", ".")
        staged.git("switch", "--quiet", "main")
        if subject == "Release another":
            STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
        staged.commit(subject)
    staged.git("switch", "--quiet", "--detach", case)
    refused("main has another release by now")


def test_a_file_that_was_edited_by_hand_is_refused(staged):
    staged.release("1" * 40)
    staged.commit("By hand")
    refused("COMMIT 1111111 is not in this repository.\nSomebody edited it by hand")
    STAGING.write_text("IMAGE=mine\n")
    staged.commit("By hand again")
    refused("must be exactly the lines")
    STAGING.unlink()
    staged.commit("Gone")
    refused("is not there: git restore it")


def test_an_image_of_another_name_is_refused_also_if_main_has_it(staged, monkeypatch):
    other = IMAGE.replace("localhost:5000", "evil.example.com")
    STAGING.write_text(STAGING.read_text().replace(IMAGE, other))
    staged.commit("By hand")
    refused(
        "cannot be promoted: IMAGE is of evil.example.com/bees, and this project's are of local"
    )
    monkeypatch.setenv("REGISTRY", "evil.example.com")
    promote()


def test_an_edit_of_productions_file_is_refused(staged):
    PRODUCTION.write_text("IMAGE=mine\n")
    refused("production/release.env is not as it was committed")


def test_a_release_replaces_what_somebody_committed_by_hand(staged):
    PRODUCTION.write_text("IMAGE=mine\n")
    staged.commit("By hand")
    promote()
    assert release_env.problems() == []
