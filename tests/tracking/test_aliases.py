"""Aliases of the tracker's models, as main releases them."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.tracking.aliases import register
from mlgitops.tracking.track import project as name
from mlgitops.tracking.track import track
from mlgitops.tracking.ui import ui

pytestmark = pytest.mark.slow


@pytest.fixture
def tracker_project(workspace, database, monkeypatch):
    """A project of two trained commits, the first of which runs in both environments."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(database, "mlflow.db")
    workspace.git("add", "--all")
    workspace.git("commit", "--quiet", "--amend", "--no-edit")
    start = repository.head()
    for environment in release_env.ENVIRONMENTS:
        workspace.release(start, environment)
    workspace.commit("Release")
    workspace.set("split.seed", 5)
    workspace.run()
    workspace.commit("Learn otherwise")
    return workspace


def aliases() -> dict[str, str]:
    """The commit of the version that each alias names."""
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    found = {}
    for model in client.search_registered_models():
        for alias in model.aliases:
            version = client.get_model_version_by_alias(model.name, alias)
            assert model.name == name().name
            found[alias] = version.tags["commit"]
    return found


def versions() -> int:
    return len(MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").search_model_versions())


def test_aliases_follow_the_releases(tracker_project, capsys):
    start = release_env.read("staging").commit
    track(every=True)
    register()
    assert aliases() == {"staging": start, "production": start}
    assert f"staging: version 1, {start[:7]} Start\n" in capsys.readouterr().out
    register()
    assert capsys.readouterr().out == (
        f"staging: version 1, {start[:7]} Start, as before\n"
        f"production: version 1, {start[:7]} Start, as before\n"
    )
    second = repository.head()
    tracker_project.release(second)
    register()  # What is not on main is not released.
    assert aliases()["staging"] == start
    tracker_project.commit("Release another")
    register()
    assert aliases() == {"staging": second, "production": start}
    release_env.write("production", None)
    tracker_project.commit("Take it down")
    register()
    assert aliases() == {"staging": second}
    register()
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "production: nothing is released, as before"
    assert versions() == 2


def test_a_release_that_was_never_tracked_is_tracked_first(tracker_project, capsys):
    start = release_env.read("staging").commit
    register()
    assert f"{start[:7]} was not tracked: 1 logged" in capsys.readouterr().out
    assert aliases() == {"staging": start, "production": start}
    assert versions() == 1


def test_a_merge_has_the_version_of_what_it_merged(tracker_project):
    tracker_project.git("switch", "--quiet", "--create", "branch")
    tracker_project.set("split.seed", 7)
    tracker_project.run()
    inner = tracker_project.commit("On a branch")
    tracker_project.git("switch", "--quiet", "main")
    tracker_project.git("merge", "--quiet", "--no-ff", "--message", "Merge", "branch")
    tracker_project.release(repository.head())
    tracker_project.commit("Release the merge")
    register()
    assert aliases()["staging"] == inner


def test_nothing_released_needs_no_model(tracker_project, capsys):
    for environment in release_env.ENVIRONMENTS:
        release_env.write(environment, None)
    tracker_project.commit("Take both down")
    register()
    assert aliases() == {}
    assert versions() == 0
    assert "staging: nothing is released, as before" in capsys.readouterr().out


def test_a_model_that_is_gone_is_refused(tracker_project):
    shutil.rmtree(".dvc/cache")
    with pytest.raises(UserError, match="gone from the store: it has no version"):
        register()


def test_a_commit_that_nobody_knows_is_refused(tracker_project):
    tracker_project.release("1" * 40)
    tracker_project.commit("By hand")
    with pytest.raises(UserError, match="COMMIT 1111111 is not in this repository"):
        register()


def test_a_shallow_clone_is_refused(tracker_project, tmp_path, monkeypatch):
    tracker_project.git(
        "clone", "--quiet", "--depth", "1", f"file://{Path.cwd()}", str(tmp_path / "new")
    )
    monkeypatch.chdir(tmp_path / "new")
    with pytest.raises(UserError, match="git fetch --unshallow"):
        register()


@pytest.mark.parametrize("command", [register, track, ui])
def test_without_a_tracker_nothing_is_spoken_to(command, workspace, capsys):
    workspace.set("track.tracker", "none")
    command()
    assert capsys.readouterr().out == "params.yaml: track.tracker is none: no tracker to speak to\n"
    assert not Path("mlflow.db").exists()
