"""`make setup` in a folder of its own, in a worktree, and within somebody else's repository."""

import subprocess
from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.training import setup


def git(*words, cwd="."):
    subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True)


def tops():
    """The folder of the repository that the current folder belongs to."""
    command = ["git", "rev-parse", "--show-toplevel"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


@pytest.fixture
def folder(project, monkeypatch):
    """A project with its graph, and a Git that has no settings of this machine."""
    Path("dvc.yaml").write_text("stages: {}\n")
    for name in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", "/dev/null")
    return project


@pytest.fixture
def commands(monkeypatch):
    """What is started, by the program's name, but Git."""
    given, real = [], setup.run

    def run(*command):
        given.append((Path(command[0]).name, *command[1:]))
        if command[0] == "git":
            real(*command)

    monkeypatch.setattr(setup, "run", run)
    return given


def test_a_folder_becomes_a_repository_and_stays_one(folder, commands):
    setup.start()
    assert tops() == folder
    assert Path(".git/HEAD").read_text() == "ref: refs/heads/main\n"
    setup.start()
    assert [words[:2] for words in commands] == [("git", "init")]


def test_a_folder_of_another_repository_that_lacks_its_files_becomes_its_own(folder, commands):
    git("init", "--quiet", cwd="..")
    setup.start()
    assert tops() == folder


def test_a_folder_whose_files_another_repository_has_stays_its_part(folder, commands):
    git("init", "--quiet", cwd="..")
    git("add", "dvc.yaml")
    setup.start()
    assert tops() == folder.parent
    assert commands == []


def test_a_worktree_is_a_repository_already(folder, commands):
    git("init", "--quiet")
    git("add", "dvc.yaml")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    git(*identity, "commit", "--quiet", "--message", "Start")
    git("worktree", "add", "--quiet", "../other")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("../other")
        assert Path(".git").is_file()
        setup.start()
    assert commands == []


def test_hooks_go_where_git_looks_for_them(folder, commands, capsys):
    git("init", "--quiet")
    setup.install_hooks()
    wanted = ("--hook-type", "pre-commit", "--hook-type", "pre-push")
    assert commands == [("pre-commit", "install", *wanted)]
    assert capsys.readouterr().err == ""


def test_somebody_s_own_hooks_stay_and_the_way_out_is_told(folder, commands, capsys):
    git("init", "--quiet")
    git("config", "core.hooksPath", "../hooks")
    setup.install_hooks()
    assert commands == []
    told = capsys.readouterr().err
    assert told.startswith("Git hooks not installed: core.hooksPath is ../hooks")
    assert "`make check` before a push" in told


def test_it_pulls_the_data_and_runs_the_stages(folder, commands, monkeypatch):
    did = []
    monkeypatch.setattr(setup.transfer, "pull", lambda *words: did.append(words))
    monkeypatch.setattr(setup, "pipeline", lambda force: did.append(force))
    setup.setup()
    assert did == [(), False]


def test_data_that_the_store_does_not_give_is_a_mistake(folder, commands, monkeypatch):
    """Also where DVC says that all is well: of a store that has nothing it only warns."""
    monkeypatch.setattr(setup.transfer, "pull", lambda *words: None)
    monkeypatch.setattr(setup, "pipeline", None)
    Path("data").mkdir(exist_ok=True)
    Path("data/raw.parquet.dvc").write_text("outs: []\n")
    with pytest.raises(UserError, match=r"does not have data/raw.parquet as"):
        setup.setup()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("no-such-program",), "no-such-program is not installed"),
        (("/bin/sh", "-c", "exit 3"), "`sh -c` failed; the reason is above"),
    ],
)
def test_a_program_that_fails_is_a_mistake(command, told):
    with pytest.raises(UserError, match=told):
        setup.run(*command)
