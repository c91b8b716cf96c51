import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlgitops.core.errors import UserError
from mlgitops.git import repository


def test_trained_lists_the_commits_that_changed_the_lock_oldest_first(workspace):
    Path("notes.md").write_text("nothing that trains")
    workspace.commit("Notes")
    workspace.git("checkout", "--quiet", "-b", "branch")
    workspace.set("train.one_hot", 4)
    workspace.run()
    inner = workspace.commit("On a branch\n\nbody")
    workspace.git("checkout", "--quiet", "main")
    workspace.git("merge", "--quiet", "--no-ff", "--message", "Merge", "branch")
    found = repository.training_commits()
    assert [one.subject for one in found] == ["Start", "On a branch"]
    assert found[1].sha == inner
    assert found[1].author == "Ada"
    assert len(found[1].parents) == 1


def test_a_subject_may_hold_anything(workspace):
    workspace.set("train.one_hot", 4)
    workspace.run()
    workspace.commit('%H | "quoted" \x1f `ticks` $(x)')
    assert repository.training_commits()[-1].subject == '%H | "quoted" \x1f `ticks` $(x)'


@pytest.mark.usefixtures("workspace")
def test_lock_tells_model_data_and_digest():
    found = repository.lock("HEAD")
    assert found.model.endswith(".dir")
    assert len(found.data) == 32
    assert len(found.digest) == 64


@pytest.mark.usefixtures("workspace")
def test_what_is_not_there_is_none():
    assert repository.text("HEAD", "no/such/file") is None
    assert repository.lock("no-such-branch") is None


@pytest.mark.usefixtures("workspace")
def test_a_branch_that_looks_like_an_option_is_a_name():
    assert repository.commit("--help") is None
    assert repository.text("--output=x", "y") is None
    with pytest.raises(UserError, match="no branch"):
        repository.training_commits("--all")


def test_head_asks_for_a_first_commit(tmp_path, monkeypatch, workspace):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    workspace.git("init", "--quiet")
    with pytest.raises(UserError, match="no commit yet"):
        repository.head()


def test_fetch_copies_a_folder_and_a_file_of_an_old_commit(workspace, tmp_path):
    old = repository.head()
    signature = Path("artifacts/model/signature.json").read_text()
    rows = Path("data/test.parquet").read_bytes()
    workspace.set("split.seed", 5)
    workspace.run()
    workspace.commit()
    assert Path("data/test.parquet").read_bytes() != rows
    assert (
        repository.fetch(old, "artifacts/model", tmp_path) / "signature.json"
    ).read_text() == signature
    assert repository.fetch(old, "data/test.parquet", tmp_path).read_bytes() == rows


@pytest.mark.usefixtures("workspace")
def test_the_hash_of_a_folder_is_dvcs_own():
    folder = Path("notes")
    for name in ("b.txt", "a/c.txt", "a.txt", "a-b/d.txt", "A/é.txt", ".hidden"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, "utf-8")
    kept = repository.content(folder)
    caches = ("__pycache__/b.pyc", "a/__pycache__/c.pyc", "a/.ipynb_checkpoints/c.txt")
    for name in (*caches, "a/x.pyo", ".a.txt.swp", "b.txt~"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, "utf-8")
    # In a process of its own: DVC logs to the stderr of whichever test loaded it first.
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "notes"], check=True)
    known = yaml.safe_load(Path("notes.dvc").read_text("utf-8"))["outs"][0]
    assert repository.content(folder) == kept == known["md5"]
    assert repository.content(folder.resolve()) == kept
    assert known["nfiles"] == 6


@pytest.mark.usefixtures("workspace")
def test_the_lock_that_these_tests_make_is_dvcs_own():
    from dvc.repo import Repo

    with Repo() as repo:
        assert repo.status() == {}


@pytest.mark.parametrize("shown", ["no", "normal", "all"])
def test_new_files_are_changes_whatever_git_shows(workspace, shown):
    workspace.git("config", "status.showUntrackedFiles", shown)
    assert repository.changes() == []
    Path("src/ml/ratios.py").touch()
    Path("deploy").mkdir()
    Path("deploy/new.yaml").touch()
    assert repository.changes(".", ":(exclude)deploy/") == ["src/ml/ratios.py"]
    workspace.git("rm", "--quiet", "params.yaml")
    assert set(repository.changes()) == {"params.yaml", "src/ml/ratios.py", "deploy/"}


def test_changes_outside_of_a_repository_are_a_mistake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="in the project's folder"):
        repository.changes()


@pytest.mark.usefixtures("workspace")
def test_fetch_reads_the_store_where_the_cache_is_empty_and_it_was_moved(tmp_path):
    old = repository.head()
    shutil.copytree(".dvc/cache", "elsewhere")
    shutil.rmtree(".dvc/cache")
    Path(".dvc/config").write_text(
        Path(".dvc/config").read_text().replace("store\n", "elsewhere\n")
    )
    config = Path(".dvc/config").read_text().replace("remote = elsewhere", "remote = store")
    Path(".dvc/config").write_text(config)
    assert repository.fetch(old, "artifacts/model", tmp_path) is not None


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("path", ["artifacts/model", "data/test.parquet"])
def test_fetch_of_an_object_that_is_another_one_is_refused_and_leaves_nothing(path, tmp_path):
    md5 = repository.lock("HEAD").hash(Path(path))
    place = Path(".dvc/cache/files/md5", md5[:2], md5[2:])
    if md5.endswith(".dir"):
        md5 = json.loads(place.read_text())[0]["md5"]
        place = Path(".dvc/cache/files/md5", md5[:2], md5[2:])
    place.write_bytes(b"forged")
    into = tmp_path / "into"
    with pytest.raises(
        UserError, match=f"^{path} of HEAD: the object in the store does not match its name"
    ):
        repository.fetch("HEAD", path, into)
    assert list(into.iterdir()) == []


@pytest.mark.usefixtures("workspace")
def test_fetch_of_an_object_that_is_gone_is_none_and_leaves_nothing(tmp_path):
    shutil.rmtree(".dvc/cache")
    into = tmp_path / "into"
    assert repository.fetch("HEAD", "artifacts/model", into) is None
    assert list(into.iterdir()) == []


def test_fork_is_where_the_branch_left(workspace):
    start = repository.head()
    workspace.git("checkout", "--quiet", "-b", "branch")
    workspace.commit("Here")
    workspace.git("checkout", "--quiet", "main")
    workspace.commit("There")
    workspace.git("checkout", "--quiet", "branch")
    assert repository.fork("main") == start
    assert repository.fork("nowhere") is None
    assert repository.fork(start) == start
    assert repository.fork("HEAD~1") == start
    assert repository.fork("HEAD~9") is None
    assert repository.fork("0" * 7) is None


def test_a_tag_with_the_name_of_a_branch_is_not_taken_for_it(workspace):
    start = repository.head()
    workspace.git("checkout", "--quiet", "-b", "branch")
    forged = workspace.commit("Here")
    for name in ("main", "origin/main", "heads/main", "refs/heads/main", "nowhere", start[:7]):
        workspace.git("update-ref", f"refs/tags/{name}", forged)
    assert repository.fork("main") == start
    assert repository.mainline() == start
    assert repository.fork("nowhere") is None
    assert repository.fork(start[:7]) == start
    workspace.git("update-ref", "refs/remotes/origin/main", start)
    workspace.git("branch", "--delete", "--force", "main")
    assert repository.fork("main") == start


def test_main_is_the_remotes_where_there_is_one(workspace):
    start = repository.head()
    later = workspace.commit("Later")
    assert repository.mainline() == later
    workspace.git("update-ref", "refs/remotes/origin/main", start)
    assert repository.mainline() == start
    assert repository.is_merged(start)
    assert not repository.is_merged(later)


def test_a_repository_without_main_says_what_to_do(workspace):
    workspace.git("branch", "--move", "trunk")
    with pytest.raises(UserError, match="git fetch origin main"):
        repository.mainline()
