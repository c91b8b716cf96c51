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
def staging_project(workspace):
    """A project of which staging runs the first commit, and production nothing."""
    start = repository.head()
    for environment in release_env.ENVIRONMENTS:
        release_env.write(environment, None)
    workspace.commit("Nothing is released")
    workspace.release(start)
    workspace.commit("Release to staging")
    return workspace


def assert_refusal(said):
    before = PRODUCTION.read_bytes()
    with pytest.raises(UserError, match=said) as error:
        promote()
    assert PRODUCTION.read_bytes() == before
    assert len(str(error.value).splitlines()) <= 2


def test_production_becomes_what_staging_runs(staging_project, capsys):
    promote()
    assert PRODUCTION.read_bytes() == STAGING.read_bytes()
    said = capsys.readouterr().out
    start = release_env.read("staging").commit[:7]
    assert f"production: nothing -> {start} Start\n  - IMAGE=\n" in said
    assert f'git commit --message "Promote {start} to production" {PRODUCTION}' in said
    assert staging_project.git("status", "--porcelain").strip() == f"M {PRODUCTION}"
    assert release_env.problems() == []


def test_the_same_promotion_again_does_nothing_and_says_so(staging_project, capsys):
    promote()
    promote()
    start = release_env.read("staging").commit[:7]
    line = f"nothing to do: production has {start} Start already"
    assert capsys.readouterr().out.splitlines()[-1] == f"{line}, not committed"
    staging_project.commit("Promote")
    promote()
    assert capsys.readouterr().out == f"{line}\n"


def test_nothing_in_staging_is_refused(staging_project):
    release_env.write("staging", None)
    staging_project.commit("Take it down")
    assert_refusal("staging has no release: make release")


def test_a_release_that_is_not_committed_is_refused(staging_project):
    STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
    assert_refusal("staging/release.env is not as it was committed")


def test_a_release_that_staging_never_ran_is_refused(staging_project):
    staging_project.git("switch", "--quiet", "--create", "branch")
    STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
    staging_project.commit("Release on a branch")
    assert_refusal("is not merged to main, so staging never ran it: merge it first")
    staging_project.git("switch", "--quiet", "main")
    staging_project.git("merge", "--quiet", "--no-ff", "branch")
    promote()


def test_a_branch_that_is_behind_main_is_refused(staging_project):
    staging_project.git("switch", "--quiet", "--create", "behind")
    staging_project.git("switch", "--quiet", "main")
    STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
    staging_project.commit("Release another")
    staging_project.git("switch", "--quiet", "behind")
    assert_refusal("main has another release by now: git pull")


def test_what_a_case_was_made_for_is_refused_once_staging_has_gone_on(staging_project):
    case = repository.head()
    for subject in ("Something else", "Release another"):
        staging_project.git("switch", "--quiet", "--detach", case)
        promote()
        staging_project.git("restore", ".")
        staging_project.git("switch", "--quiet", "main")
        if subject == "Release another":
            STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
        staging_project.commit(subject)
    staging_project.git("switch", "--quiet", "--detach", case)
    assert_refusal("main has another release by now")


def test_a_file_that_was_edited_by_hand_is_refused(staging_project):
    staging_project.release("1" * 40)
    staging_project.commit("By hand")
    assert_refusal("COMMIT 1111111 is not in this repository.\nSomebody edited it by hand")
    STAGING.write_text("IMAGE=mine\n")
    staging_project.commit("By hand again")
    assert_refusal("must be exactly the lines")
    STAGING.unlink()
    staging_project.commit("Gone")
    assert_refusal("is not there: git restore it")


def test_an_image_of_another_name_is_refused_also_if_main_has_it(staging_project, monkeypatch):
    other = IMAGE.replace("localhost:5000", "evil.example.com")
    STAGING.write_text(STAGING.read_text().replace(IMAGE, other))
    staging_project.commit("By hand")
    assert_refusal(
        "cannot be promoted: IMAGE is of evil.example.com/bees, and this project's are of local"
    )
    monkeypatch.setenv("REGISTRY", "evil.example.com")
    promote()


def test_an_edit_of_productions_file_is_refused(staging_project):
    PRODUCTION.write_text("IMAGE=mine\n")
    assert_refusal("production/release.env is not as it was committed")


def test_a_release_replaces_what_somebody_committed_by_hand(staging_project):
    PRODUCTION.write_text("IMAGE=mine\n")
    staging_project.commit("By hand")
    promote()
    assert release_env.problems() == []
