from pathlib import Path

import pytest
from made_project import IMAGE
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.releases.rollback import rollback

pytestmark = pytest.mark.slow

STAGING, PRODUCTION = (Path(f"deploy/{name}/release.env") for name in release_env.ENVIRONMENTS)


def image(letter: str) -> str:
    return IMAGE.replace("a" * 64, letter * 64)


class Line:
    """Releases by a letter of their images, to both environments as main would have them."""

    def __init__(self, workspace) -> None:
        self.project, self.start = workspace, repository.head()
        for environment in release_env.ENVIRONMENTS:
            release_env.write(environment, None)
        workspace.commit("Nothing is released")

    def release(self, letter: str, *only: str) -> None:
        """A commit for staging, then one for production."""
        release = self.project.release(self.start)
        release = release_env.Release(image(letter), release.commit, release.model, release.data)
        for environment in only or release_env.ENVIRONMENTS:
            release_env.write(environment, release)
            self.project.commit(f"{letter} to {environment}")

    def now(self, environment: str = "production") -> str:
        release = release_env.read(environment)
        return release.image[-1] if release else ""

    def back(self, environment: str = "production") -> str:
        """Roll back and commit; the letter that runs then."""
        rollback(environment)
        self.project.commit(f"Roll {environment} back")
        assert release_env.problems() == []
        return self.now(environment)


@pytest.fixture
def line(workspace):
    return Line(workspace)


def assert_refusal(said, environment="production"):
    before = PRODUCTION.read_bytes()
    with pytest.raises(UserError, match=said) as error:
        rollback(environment)
    assert PRODUCTION.read_bytes() == before
    assert len(str(error.value).splitlines()) <= 2


def test_it_is_what_git_revert_gives(line):
    line.release("a")
    line.release("b")
    rollback("production")
    found = PRODUCTION.read_bytes()
    line.project.git("restore", ".")
    line.project.git("revert", "--no-edit", "HEAD")
    assert PRODUCTION.read_bytes() == found
    assert line.now() == "a"
    assert line.now("staging") == "b"


def test_it_says_what_runs_what_will_and_what_comes_next(line, capsys):
    for letter in "abc":
        line.release(letter)
    came = line.project.git("log", "-1", "--format=%H", "--", str(PRODUCTION))
    rollback("production")
    said = capsys.readouterr().out.splitlines()
    start = line.start[:7]
    assert said[0] == f"production runs now:   {start} Start"
    assert said[1] == f"production will run:   {start} Start"
    assert f"  - IMAGE={image('c')}" in said
    assert f"  + IMAGE={image('b')}" in said
    assert f'git commit --message "Roll production back to {start}" {PRODUCTION}' in said[-3]
    assert said[-2].endswith(f"git restore {PRODUCTION}, then git revert {came[:10]}")
    assert said[-1].endswith(f"again, once this is committed, goes further back: to {start} Start")


def test_a_second_one_goes_further_back_and_never_to_what_was_rolled_back(line, capsys):
    for letter in "abc":
        line.release(letter)
    assert line.back() == "b"
    assert line.back() == "a"
    assert "is refused: before it nothing ran" in capsys.readouterr().out
    assert_refusal("before [0-9a-f]{7} nothing ran in production")
    line.release("d")
    assert line.back() == "a"


def test_after_a_fix_it_goes_back_to_what_ran_before_the_fix(line):
    for letter in "abc":
        line.release(letter)
    assert line.back() == "b"
    line.release("d")
    assert line.back() == "b"
    assert line.back() == "a"


def test_what_is_released_again_goes_back_to_what_ran_before_that(line, capsys):
    for letter in "abc":
        line.release(letter)
    assert line.back() == "b"
    assert line.back() == "a"
    line.release("c")
    came = line.project.git("rev-parse", "HEAD")
    capsys.readouterr()
    assert line.back() == "a"
    assert f"then git revert {came[:10]}\n" in capsys.readouterr().out
    assert_refusal("nothing to go back to")


def test_a_rollback_is_taken_back_by_git_revert_and_can_be_done_again(line):
    line.release("a")
    line.release("b")
    assert line.back() == "a"
    line.project.git("revert", "--no-edit", "HEAD")
    assert line.now() == "b"
    assert line.back() == "a"


def test_staging_is_rolled_back_alone(line):
    line.release("a")
    line.release("b")
    assert line.back("staging") == "a"
    assert line.now("production") == "b"


@pytest.mark.parametrize("way", [["--no-ff"], ["--squash"], ["--ff-only"]])
def test_any_way_of_merging_is_undone_by_the_command_that_is_named(line, way, capsys):
    line.release("a")
    line.release("b", "staging")
    line.project.git("switch", "--quiet", "--create", "branch")
    release_env.write("production", release_env.read("staging"))
    line.project.commit("Promote")
    line.project.git("switch", "--quiet", "main")
    line.project.git("merge", "--quiet", *way, "branch")
    if way == ["--squash"]:
        line.project.commit("Promote (#1)")
    assert line.now() == "b"
    rollback("production")
    found = PRODUCTION.read_bytes()
    said = next(line for line in capsys.readouterr().out.splitlines() if "by Git alone" in line)
    line.project.git("restore", ".")
    line.project.git(*said.partition("then git ")[2].split(), "--no-edit")
    assert PRODUCTION.read_bytes() == found
    assert line.now() == "a"


def test_the_first_release_has_nothing_to_go_back_to(line):
    line.release("a")
    came = line.project.git("log", "-1", "--format=%H", "--", str(PRODUCTION))
    assert_refusal(f"nothing to go back to.\nTo let nothing run again: git revert {came[:10]}")
    line.project.git("revert", "--no-edit", came[:10])
    assert release_env.file_text("production") == release_env.EMPTY
    assert_refusal("nothing runs in production: there is nothing to roll back")


@pytest.mark.parametrize("name", ["", "prod", "../production"])
def test_an_unknown_environment_is_refused(line, name):
    assert_refusal("ENVIRONMENT=staging or production", name)


def test_a_second_one_waits_for_the_commit_of_the_first(line):
    for letter in "abc":
        line.release(letter)
    rollback("production")
    assert_refusal("is not as it was committed: commit it")


def test_a_clone_that_is_behind_main_is_refused(line):
    for letter in "ab":
        line.release(letter)
    line.project.git("switch", "--quiet", "--create", "behind")
    line.project.git("switch", "--quiet", "main")
    line.release("c")
    line.project.git("switch", "--quiet", "behind")
    assert_refusal("main has another release in production by now: git pull")


def test_a_shallow_clone_is_refused(line, tmp_path, monkeypatch):
    for letter in "ab":
        line.release(letter)
    line.project.git(
        "clone", "--quiet", "--depth", "1", f"file://{Path.cwd()}", str(tmp_path / "new")
    )
    monkeypatch.chdir(tmp_path / "new")
    assert_refusal("git fetch --unshallow")


def test_it_goes_back_to_a_registry_that_the_project_has_left(line, monkeypatch):
    line.release("a")
    line.release("b")
    monkeypatch.setenv("REGISTRY", "ghcr.io/acme")
    assert line.back() == "a"


def test_an_edit_by_hand_is_rolled_back(line):
    line.release("a")
    PRODUCTION.write_text("IMAGE=mine\n")
    line.project.commit("By hand")
    assert line.back() == "a"


def test_it_does_not_go_back_to_an_edit_by_hand(line):
    line.release("a")
    release_env.write("production", line.project.release("1" * 40))
    line.project.commit("By hand")
    line.release("b")
    assert_refusal(
        "what ran before in production cannot be released: COMMIT 1111111 is not in this"
    )
