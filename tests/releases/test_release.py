import shutil
from pathlib import Path

import pytest
import yaml
from fake_docker import Daemon
from made_project import IMAGE, TEMPLATE
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.images.build import DATA, MODEL, REVISION
from mlgitops.images.push import NOTE
from mlgitops.releases import release_env
from mlgitops.releases.release import IGNORED, release

pytestmark = pytest.mark.slow

STAGING = Path("deploy/staging/release.env")
OTHER = IMAGE.replace("a" * 64, "b" * 64)


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    return Daemon(tmp_path / "daemon", monkeypatch)


@pytest.fixture
def fresh(workspace):
    """A project in which nothing is released."""
    for environment in release_env.ENVIRONMENTS:
        release_env.write(environment, None)
    workspace.commit("Nothing is released")
    return workspace


def of_head() -> dict[str, str]:
    """The labels of an image that is built from HEAD."""
    lock = repository.lock("HEAD")
    return {
        REVISION: repository.head(),
        MODEL: lock.model,
        DATA: lock.data,
        "else": "",
    }


def test_an_image_of_head_goes_to_staging(fresh, daemon, capsys):
    daemon.answers(here={IMAGE: of_head()})
    release(IMAGE)
    head, lock = repository.head(), repository.lock("HEAD")
    wanted = f"IMAGE={IMAGE}\nCOMMIT={head}\nMODEL={lock.model}\nDATA={lock.data}\n"
    assert STAGING.read_bytes().decode() == wanted
    said = capsys.readouterr().out
    assert f"staging: nothing -> {head[:7]} Nothing is released" in said
    assert f"  - IMAGE=\n  - COMMIT=\n  - MODEL=\n  - DATA=\n  + IMAGE={IMAGE}\n" in said
    assert f'git commit --message "Release {head[:7]} to staging" {STAGING}' in said
    assert fresh.git("status", "--porcelain").strip() == f"M {STAGING}"
    assert release_env.problems() == []
    assert not any(line.startswith("pull") for line in daemon.commands())


def test_an_image_that_is_not_here_is_pulled(fresh, daemon):
    daemon.answers(registry={IMAGE: of_head()})
    release(IMAGE)
    assert release_env.read("staging").image == IMAGE


def test_the_image_that_was_pushed_last_is_taken(fresh, daemon):
    daemon.answers(here={OTHER: of_head()})
    NOTE.write_text(f"IMAGE={OTHER}\n")
    release()
    assert release_env.read("staging").image == OTHER


def assert_refusal(said, image=IMAGE, offline=False):
    before = STAGING.read_bytes()
    with pytest.raises(UserError, match=said) as error:
        release(image, offline=offline)
    assert STAGING.read_bytes() == before
    assert len(str(error.value).splitlines()) <= 2


@pytest.mark.usefixtures("fresh")
def test_no_image_is_refused(daemon):
    assert_refusal("names no image: make push", image="")
    NOTE.write_text("nonsense\n")
    assert_refusal("names no image: make push", image="")
    NOTE.write_text(f"IMAGE={IMAGE}\n")
    assert_refusal("OFFLINE=1 reads no image, so say which", image="", offline=True)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("image", ["bees", "localhost:5000/bees:1", "bees:latest", f"{IMAGE}0"])
@pytest.mark.parametrize("offline", [True, False])
def test_what_is_no_digest_is_refused(daemon, image, offline):
    assert_refusal("A tag can move", image, offline)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("offline", [True, False])
def test_an_image_of_another_name_is_refused(daemon, monkeypatch, offline):
    other = IMAGE.replace("localhost:5000", "ghcr.io/acme")
    daemon.answers(here={other: of_head()})
    assert_refusal("IMAGE is of ghcr.io/acme/bees, .*: REGISTRY=ghcr.io/acme, if", other, offline)
    assert_refusal("IMAGE is of localhost:5000/seals,", IMAGE.replace("bees", "seals"), offline)
    monkeypatch.setenv("REGISTRY", "ghcr.io/acme")
    release(other, offline=offline)
    assert release_env.read("staging").image == other


def test_a_release_replaces_one_of_a_registry_before(fresh, daemon, monkeypatch):
    fresh.release(repository.head())
    fresh.commit("Release")
    fresh.commit("Move")
    monkeypatch.setenv("REGISTRY", "ghcr.io/acme")
    other = IMAGE.replace("localhost:5000", "ghcr.io/acme")
    daemon.answers(here={other: of_head()})
    release(other)
    assert release_env.problems() == []


def test_an_uncommitted_change_is_refused(fresh, daemon):
    daemon.answers(here={IMAGE: of_head()})
    fresh.git("config", "status.showUntrackedFiles", "no")
    Path("notes.md").write_text("new")
    assert_refusal(r"not committed: notes\.md\.\nCommit or git stash")
    Path("notes.md").unlink()
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# changed\n")
    assert_refusal("not committed: params.yaml")
    fresh.git("add", "--all")
    assert_refusal("not committed: params.yaml")
    fresh.git("reset", "--quiet", "--hard")
    # What is ignored, and what else is in deploy/, is in no image.
    Path("deploy/notes.md").write_text("new")
    Path("artifacts/gate.json").write_text("{}")
    release(IMAGE)


def test_a_commit_that_is_not_merged_is_refused(fresh, daemon):
    fresh.git("switch", "--quiet", "--create", "branch")
    fresh.commit("Aside")
    daemon.answers(here={IMAGE: of_head()})
    assert_refusal("is not merged to main: merge it")
    fresh.git("branch", "--force", "main")
    fresh.git("update-ref", "refs/remotes/origin/main", "HEAD~1")
    assert_refusal("is not merged to main: merge it")
    fresh.git("update-ref", "refs/remotes/origin/main", "HEAD")
    release(IMAGE)


def test_a_commit_without_a_model_is_refused(fresh, daemon):
    daemon.answers(here={IMAGE: of_head()})
    lock = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(lock.replace("path: artifacts/model\n", "path: elsewhere\n"))
    fresh.commit("No model")
    assert_refusal("has no hash of the model and of the data: make pipeline")
    Path("dvc.lock").unlink()
    fresh.commit("No lock")
    assert_refusal("has no hash of the model and of the data: make pipeline")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", [REVISION, MODEL, DATA])
@pytest.mark.parametrize("value", [None, "", "0" * 32, "dirty"])
def test_an_image_of_something_else_is_refused(daemon, name, value):
    wrong = of_head() | {name: of_head()[name] + "-dirty" if value == "dirty" else value}
    daemon.answers(here={IMAGE: {key: text for key, text in wrong.items() if text is not None}})
    assert_refusal(f"label {name} is .*\nIt was built from something else: make image")


@pytest.mark.usefixtures("fresh")
def test_an_image_without_labels_or_out_of_reach_is_refused(daemon):
    daemon.answers(here={IMAGE: None})
    assert_refusal("label org.opencontainers.image.revision is missing")
    daemon.answers()
    assert_refusal("docker pull: Error response from daemon: manifest")


@pytest.mark.usefixtures("fresh")
def test_without_a_daemon_only_offline_goes_on_and_says_so(daemon, capsys):
    daemon.answers(runs=False)
    assert_refusal(r"no Docker answers.*\n.*OFFLINE=1")
    (daemon.folder / "docker").unlink()
    release(IMAGE, offline=True)
    assert "labels were not checked: nothing proves" in capsys.readouterr().out
    assert release_env.problems() == []


@pytest.mark.usefixtures("fresh")
def test_without_docker_it_is_refused(monkeypatch, tmp_path):
    git = tmp_path / "bin"
    git.mkdir()
    (git / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(git))
    assert_refusal("no Docker answers")


def test_a_file_that_was_edited_by_hand_is_refused(fresh, daemon):
    daemon.answers(here={IMAGE: of_head()})
    fresh.release(repository.head())
    STAGING.write_text(STAGING.read_text().replace(IMAGE, OTHER))
    assert_refusal("is not as it was committed: commit it, or `git restore")
    STAGING.write_text("IMAGE=mine\n")
    assert_refusal("is not as it was committed: commit it, or `git restore")
    fresh.commit("By hand")
    daemon.answers(here={IMAGE: of_head()})
    assert_refusal(r"must be exactly the lines .*\nSomebody edited it by hand: make rollback")


def test_a_committed_file_that_contradicts_the_history_is_refused(fresh, daemon):
    fresh.release("1" * 40)
    fresh.commit("By hand")
    daemon.answers(here={IMAGE: of_head()})
    assert_refusal("COMMIT 1111111 is not in this repository.\nSomebody edited it by hand")


def test_the_same_release_again_does_nothing_and_says_so(fresh, daemon, capsys):
    head = repository.head()
    daemon.answers(here={IMAGE: of_head()})
    release(IMAGE)
    before = STAGING.stat().st_mtime_ns
    release(IMAGE)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == (
        f"nothing to do: staging has {head[:7]} Nothing is released with this image, not committed"
    )
    fresh.commit("Release")
    release(IMAGE)  # HEAD is another commit by now, of the same code.
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"nothing to do: staging has {head[:7]} Nothing is released with this image"
    assert STAGING.stat().st_mtime_ns == before


def test_the_next_release_shows_what_it_replaces(fresh, daemon, capsys):
    daemon.answers(here={IMAGE: of_head()})
    release(IMAGE)
    fresh.commit("Release")
    capsys.readouterr()
    first = release_env.read("staging")
    fresh.set("train.one_hot", 4)
    fresh.run()
    second = fresh.commit("Learn otherwise")
    assert_refusal(f"label {REVISION}")
    daemon.answers(here={OTHER: of_head()})
    release(OTHER)
    said = capsys.readouterr().out
    assert f"staging: {first.commit[:7]} Nothing is released -> {second[:7]} Learn" in said
    assert f"  - COMMIT={first.commit}" in said
    assert f"  + COMMIT={second}" in said
    assert f"DATA={first.data}" not in said  # It is the same.


def commit_of(workspace, subject, *paths):
    """A commit of main that changes these files."""
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(subject)
    return workspace.commit(subject)


def writes_nothing(commit, said, capsys):
    """Whether a release of a commit of main ends well, says why, and writes nothing."""
    before, output = STAGING.read_bytes(), Path("artifacts/output")
    output.unlink(missing_ok=True)
    release(IMAGE, commit)
    assert STAGING.read_bytes() == before
    assert said in capsys.readouterr().out
    return output.read_text() == "changed=false\n"


@pytest.fixture
def step_output(monkeypatch):
    """A step of a workflow, which tells the next ones."""
    monkeypatch.setenv("GITHUB_OUTPUT", "artifacts/output")


@pytest.mark.usefixtures("step_output")
def test_a_commit_before_head_is_released_with_its_own_model(fresh, daemon):
    first, labels = repository.head(), of_head()
    commit_of(fresh, "Release", "deploy/staging/note")
    commit_of(fresh, "Say it better", "README.md", "docs/deep/page.html", "src/ml/notes.md")
    fresh.git("switch", "--quiet", "--detach")
    Path("dvc.lock").unlink()
    fresh.commit("Without a model")
    daemon.answers(here={IMAGE: labels})
    release(IMAGE, first)
    found = release_env.read("staging")
    assert (found.commit, found.model, found.data) == (first, labels[MODEL], labels[DATA])
    assert Path("artifacts/output").read_text() == "changed=true\n"


@pytest.mark.usefixtures("fresh")
def test_a_commit_that_is_not_here_is_refused(daemon):
    for name in ("1" * 40, "no-such-branch", "--all"):
        with pytest.raises(UserError, match=f"COMMIT={name} is no commit of this repository"):
            release(IMAGE, name)


@pytest.mark.usefixtures("step_output")
def test_a_commit_that_main_has_overtaken_is_left_to_the_newer_release(fresh, daemon, capsys):
    first = repository.head()
    daemon.answers(here={IMAGE: of_head()})
    second = commit_of(fresh, "Change", "src/ml/new.py")
    commit_of(fresh, "Release", "deploy/staging/note")
    assert writes_nothing(first, f"a newer release follows, of {second[:7]} Change", capsys)
    fresh.git("revert", "--no-edit", second)  # A commit like the first, with an image of its own.
    assert writes_nothing(first, "a newer release follows, of", capsys)


@pytest.mark.usefixtures("step_output")
def test_what_a_merge_brought_is_released_as_the_merge(fresh, daemon, capsys):
    fresh.git("switch", "--quiet", "--create", "branch")
    aside = commit_of(fresh, "Change", "src/ml/new.py")
    daemon.answers(here={IMAGE: of_head()})
    fresh.git("switch", "--quiet", "main")
    commit_of(fresh, "Change something else", "src/ml/other.py")
    fresh.git("merge", "--quiet", "--message", "Merge it", "branch")
    merge = repository.head()[:7]
    assert writes_nothing(aside, f"a newer release follows, of {merge} Merge it", capsys)


def test_what_is_older_than_what_staging_runs_is_refused(fresh, daemon):
    first = repository.head()
    daemon.answers(here={IMAGE: of_head()})
    second = commit_of(fresh, "Change", "src/ml/new.py")
    fresh.release(second)
    fresh.commit("Release")
    before = STAGING.read_bytes()
    said = rf"already has a newer one, {second[:7]} Change.\nTo go back from it: make rollback"
    with pytest.raises(UserError, match=said):
        release(OTHER, first)
    # What counts is main's file, also where the one here is older.
    fresh.git("switch", "--quiet", "--detach", first)
    with pytest.raises(UserError, match=said):
        release(OTHER)
    fresh.git("switch", "--quiet", "main")
    assert STAGING.read_bytes() == before


def test_what_gets_no_image_is_what_the_workflow_ignores():
    workflow = yaml.safe_load((TEMPLATE / ".github/workflows/release.yml").read_text("utf-8"))
    assert workflow[True]["push"]["paths-ignore"] == list(IGNORED)
