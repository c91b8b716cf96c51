"""What a change may write into a release.env: each way is refused, waits for an owner, or passes.

One line a case: what the change writes, and what is said of it.
"""

from pathlib import Path

import pytest
from made_project import IMAGE
from mlgitops.images import build
from mlgitops.releases import release_change, release_env
from mlgitops.releases.release_env import EMPTY, PRODUCTION, STAGING, Release, text

OTHER = IMAGE.replace("a" * 64, "b" * 64)


@pytest.fixture
def project(workspace):
    """Main released its first commit in both environments, then trained and released a second."""
    workspace.first = release(workspace, workspace.git("rev-parse", "HEAD"))
    for environment in release_env.ENVIRONMENTS:
        write(workspace, environment, text(workspace.first))
    workspace.set("train.estimator.C", 2)
    workspace.run()
    workspace.second = release(workspace, workspace.commit("Another model"), OTHER)
    write(workspace, STAGING, text(workspace.second))
    workspace.git("switch", "--quiet", "--create", "change")
    return workspace


def release(workspace, commit, image=IMAGE):
    lock = release_env.repository.lock(commit)
    return Release(image, commit, lock.model, lock.data)


def write(workspace, environment, content):
    path = release_env.path(environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return workspace.commit(f"Write {environment}")


def check(workspace, environment, content, labels=None):
    """What is said of a branch that writes a file, by main's checkout."""
    head = write(workspace, environment, content)
    workspace.git("switch", "--quiet", "main")
    return release_change.check("main", head, labels or {}), head


def proof(new):
    return {new.image: {build.REVISION: new.commit, build.MODEL: new.model, build.DATA: new.data}}


def train_again(workspace):
    """A third commit of main, not released yet."""
    workspace.git("switch", "--quiet", "main")
    Path("notes.md").write_text("words")
    found = release(workspace, workspace.commit("Words"), IMAGE.replace("a" * 64, "c" * 64))
    workspace.git("switch", "--quiet", "change")
    workspace.git("merge", "--quiet", "main")
    return found


def test_a_release_that_its_registry_proves_passes(project):
    third = train_again(project)
    found, head = check(project, STAGING, text(third), proof(third))
    assert found == ([], [])
    assert release_change.new_images("main", head) == [third.image]


def test_a_release_that_no_registry_proves_waits_for_an_owner(project):
    third = train_again(project)
    for labels, why in (({}, "was not asked"), ({third.image: "it answers 403"}, "403")):
        project.git("switch", "--quiet", "change")
        found, _ = check(project, STAGING, text(third), labels)
        assert found.refused == []
        assert why in found.doubts[0]


@pytest.mark.parametrize("name", [build.REVISION, build.MODEL, build.DATA])
def test_an_image_of_something_else_is_refused(project, name):
    third = train_again(project)
    labels = proof(third)
    labels[third.image][name] = "another"
    found, _ = check(project, STAGING, text(third), labels)
    assert name in found.refused[0]


def test_a_promotion_and_a_rollback_pass_without_asking(project):
    found, head = check(project, PRODUCTION, text(project.second))
    assert found == ([], [])
    assert release_change.new_images("main", head) == []
    project.git("switch", "--quiet", "change")
    project.git("reset", "--quiet", "--hard", "main")
    found, head = check(project, STAGING, text(project.first))
    assert found == ([], [])
    assert release_change.new_images("main", head) == []


def test_an_older_commit_with_a_new_digest_is_refused(project):
    older = release(project, project.first.commit, IMAGE.replace("a" * 64, "d" * 64))
    found, _ = check(project, STAGING, text(older), proof(older))
    assert "is older than" in found.refused[0]
    assert "make rollback" in found.refused[0]


def test_production_gets_only_what_staging_had(project):
    third = train_again(project)
    found, _ = check(project, PRODUCTION, text(third), proof(third))
    assert "what staging has had on main" in found.refused[0]


@pytest.mark.parametrize("content", [EMPTY, None])
@pytest.mark.parametrize("environment", release_env.ENVIRONMENTS)
def test_an_environment_that_would_run_nothing_waits_for_an_owner(project, environment, content):
    if content is None:
        release_env.path(environment).unlink()
        head = project.commit("Remove it")
        project.git("switch", "--quiet", "main")
        found = release_change.check("main", head, {})
    else:
        found, _ = check(project, environment, content)
    assert found.refused == []
    assert f"nothing would run in {environment}" in found.doubts[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("COMMIT=", "COMMIT=0", "whole hash"),
        (".dir", "", "ends in .dir"),
        (OTHER.partition("@")[0], "ghcr.io/other/bees", "this project's are of"),
    ],
)
def test_what_is_not_in_form_or_of_another_project_is_refused(project, old, new, said):
    found, _ = check(project, STAGING, text(project.second).replace(old, new))
    assert said in found.refused[0]


def test_a_branch_that_left_before_a_release_changes_nothing_of_it(project):
    project.git("switch", "--quiet", "--create", "early", project.first.commit)
    Path("notes.md").write_text("words")
    head = project.commit("Words")
    project.git("switch", "--quiet", "main")
    assert release_change.changes("main", head) == {}
    assert release_change.check("main", head, {}) == ([], [])
