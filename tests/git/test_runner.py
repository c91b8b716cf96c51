import pytest
from mlgitops.core.errors import UserError
from mlgitops.git import commits, repository, runner


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner.run("init", "--quiet")
    return tmp_path


def test_what_git_prints_comes_back_as_bytes(folder):
    sha = runner.run("hash-object", "-w", "--stdin", given=b"\xff\0a").decode().strip()
    assert runner.run("cat-file", "blob", sha) == b"\xff\0a"
    assert runner.run("rev-parse", "--is-inside-work-tree", folder=folder) == b"true\n"
    assert runner.run(
        "var", "GIT_AUTHOR_IDENT", env={"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b"}
    )


def test_what_fails_is_none_or_raised_with_the_words_of_git(folder):
    assert repository.git("rev-parse", "--verify", "--quiet", "HEAD") is None
    with pytest.raises(
        runner.Failed, match=r"git show failed: fatal: .*unknown revision"
    ) as failed:
        commits.git("show", "nothing")
    assert "unknown revision" in failed.value.words


def test_a_machine_without_git_is_told(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UserError, match="git is not installed"):
        runner.run("version")
