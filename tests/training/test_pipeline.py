"""One project from a table to scores, with Git and DVC as a person has them."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import dvc.cli
import pytest
from baked import PROJECT
from mlgitops.core.errors import UserError
from mlgitops.data import ingest
from mlgitops.training import batch_scoring, exported_model, pipeline

pytestmark = pytest.mark.slow

GIT = shutil.which("git")


@pytest.fixture
def repository(project, monkeypatch):
    """The project in a Git and DVC repository of its own, with the graph of the template."""
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(PROJECT / name, name)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(
        "[core]\n remote = store\n analytics = false\n autostage = true\n"
        "['remote \"store\"']\n url = ../store\n"
    )
    subprocess.run([GIT, "init", "--quiet"], check=True)
    # DVC reads the arguments of the process, too.
    monkeypatch.setattr(sys, "argv", ["mlgitops", "pipeline"])
    programs = [str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(programs))
    return project


def store_files():
    return {str(path) for path in Path("store").rglob("*") if path.is_file()}


@pytest.mark.skipif(GIT is None, reason="git is not installed")
def test_a_table_becomes_a_model_that_scores_and_nothing_runs_twice(repository, frame, capfd):
    frame.to_csv("../t.csv", index=False)
    ingest.data(["SOURCE=../t.csv", "TARGET=kind"])
    assert len(store_files()) == 1

    pipeline.pipeline()
    measured = json.loads(Path("artifacts/metrics.json").read_text("utf-8"))
    assert measured["rows"] == 8
    assert {path.name for path in exported_model.FOLDER.iterdir()} == {
        *("model.onnx", "signature.json", "reference.json")
    }
    lock = Path("dvc.lock").read_bytes()
    assert b"PYTHON" not in lock
    # raw, train, test, fitted, the folder of the model and its three files
    assert len(store_files()) == 8

    batch_scoring.score(Path("../t.csv"), Path("out.csv"), batch_scoring.Bad.refuse, "")
    assert len(Path("out.csv").read_text().splitlines()) == 41

    capfd.readouterr()
    pipeline.pipeline()
    assert "up to date" in capfd.readouterr().out
    assert Path("dvc.lock").read_bytes() == lock

    frame.assign(colour="pink").to_csv("../t.csv", index=False)
    ingest.data()
    with pytest.raises(UserError, match="a stage failed"):
        pipeline.pipeline()
    assert "colour: is not one of blue, green, red: 40 rows" in capfd.readouterr().err
    assert Path("dvc.lock").read_bytes() == lock
    assert exported_model.load().signature.labels == ("a", "b")


def test_what_the_store_lacks_is_told_and_tried_again(project, monkeypatch):
    pipeline.PUSHED.parent.mkdir(parents=True)
    for path in pipeline.VERSIONS:
        path.write_text("1")
    commands = []

    def push():
        commands.append("push")
        if commands == ["repro", "push"]:
            raise UserError("the outputs are not in the store")

    monkeypatch.setattr(dvc.cli, "main", lambda command: commands.append(command[0]) or 0)
    monkeypatch.setattr(pipeline.transfer, "push", push)
    with pytest.raises(UserError, match="the outputs are not in the store"):
        pipeline.pipeline()
    pipeline.pipeline()
    pipeline.pipeline()
    assert commands == ["repro", "push", "repro", "push", "repro"]
    Path("store/files").mkdir(parents=True)  # Somebody cleans or restores the folder.
    pipeline.pipeline()
    assert commands[5:] == ["repro", "push"]
    Path(".dvc/config.local").write_text("another store")
    pipeline.pipeline()
    pipeline.pipeline()
    assert commands[7:] == ["repro", "push", "repro"]


def test_force_runs_every_stage(project, monkeypatch):
    commands = []
    monkeypatch.setattr(dvc.cli, "main", lambda command: commands.append(command) or 1)
    with pytest.raises(UserError, match="a stage failed"):
        pipeline.pipeline(force=True)
    assert commands == [["repro", "--force"]]


def test_what_a_push_to_a_full_disk_left_is_ignored_by_git_and_deleted(tmp_path, monkeypatch):
    """DVC writes an object beside its place and renames it; what is being written now stays."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / ".gitignore", ".gitignore")
    subprocess.run([GIT, "init", "--quiet"], check=True)
    folder = Path("store/files/md5/e0")
    folder.mkdir(parents=True)
    whole, old, new = (folder / name for name in ("99448f", ".a1B2c3.tmp", ".d4E5f6.tmp"))
    for path in (whole, old, new):
        path.write_text("x", encoding="utf-8")
    past = time.time() - 2 * pipeline.ABANDONED
    os.utime(old, (past, past))
    subprocess.run([GIT, "add", "--all"], check=True)
    done = subprocess.run([GIT, "ls-files"], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == [".gitignore", whole.as_posix()]
    pipeline.clear_store()
    assert sorted(folder.iterdir()) == [new, whole]
