"""What CI made, put on a branch from a checkout of another commit; and what is refused."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from made_origin import STARTED, git, write
from mlgitops.core.errors import UserError
from mlgitops.git import commits
from mlgitops.github.push_outputs import save

pytestmark = pytest.mark.slow

BRANCH = "more-trees"
STORED = next(name for name in STARTED if name.startswith("store/"))
GOOD = {
    "dvc.lock": "schema: '2.0'\nstages: {}\n",
    "artifacts/metrics.json": '{"rows": 2}\n',
    "artifacts/plots/roc.json": "[]\n",
    "data/raw.parquet.dvc": "outs: []\n",
    "docs/model-card.md": "# Card\n",
    "docs/data-sheet.md": "# Sheet\n",
}


def object_path(text):
    """The path of an object in the store."""
    found = hashlib.md5(text.encode()).hexdigest()
    return f"store/files/md5/{found[:2]}/{found[2:]}"


@pytest.fixture
def job(origin, tmp_path, clone):
    """A checkout of the pull request's branch, where the untrusted job runs."""
    folder = tmp_path / "job"
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    git(folder, "switch", "--quiet", "--create", BRANCH)
    write(folder, {"params.yaml": "train: {one_hot: 4}\n", "src/ml/features.py": "bad"})
    git(folder, "commit", "--quiet", "--all", "--message", "More trees")
    git(folder, "push", "--quiet", "origin", BRANCH)
    return folder


@pytest.fixture
def patch(job, tmp_path):
    """Writes the difference to the branch's head as the untrusted job does."""

    def make(*force):
        git(job, "add", "--all")
        if force:
            git(job, "add", "--force", *force)
        path = tmp_path / "made" / "changes.patch"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.write(raw_diff(job))
        return path

    return make


def raw_diff(job):
    return subprocess.run(
        ["git", "diff", "--binary", "--cached", "HEAD"], cwd=job, capture_output=True, check=True
    ).stdout


def head(job):
    return git(job, "rev-parse", "HEAD")


def test_what_was_made_is_a_commit_on_the_branch_and_checked(job, patch, github, origin, clone):
    write(job, GOOD | {object_path("blue\n"): "blue\n"})
    (job / "artifacts/plots/pixel.png").write_bytes(bytes(range(256)))
    save(patch().parent, BRANCH, head(job))
    names = git(origin, "diff", "--name-only", head(job), BRANCH).splitlines()
    assert names == sorted([*GOOD, object_path("blue\n"), "artifacts/plots/pixel.png"])
    assert git(origin, "rev-parse", f"{BRANCH}^") == head(job)
    assert git(origin, "log", "-1", "--format=%an", BRANCH) == "github-actions[bot]"
    assert git(origin, "show", f"{BRANCH}:params.yaml") == "train: {one_hot: 4}"
    assert [(one["workflow"], one["ref"]) for one in github.state["dispatches"]] == [
        ("check.yml", BRANCH)
    ]
    assert git(clone, "branch", "--show-current") == "main"
    assert git(clone, "status", "--porcelain") == ""
    assert (clone / "params.yaml").read_text() == STARTED["params.yaml"]


def test_the_head_comes_from_the_event_too(job, patch, github, tmp_path, monkeypatch):
    write(job, GOOD)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 1, "head": {"sha": head(job)}}}))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    save(patch(), BRANCH)
    assert len(github.state["dispatches"]) == 1


def test_without_a_head_it_is_the_branch_as_it_is(job, patch, origin):
    write(job, GOOD)
    save(patch(), BRANCH)
    assert git(origin, "rev-parse", f"{BRANCH}^") == head(job)


def test_a_file_may_go(job, patch, origin):
    (job / "artifacts/metrics.json").unlink()
    save(patch(), BRANCH, head(job))
    assert git(origin, "diff", "--name-status", head(job), BRANCH) == "D\tartifacts/metrics.json"


def test_an_empty_patch_and_an_empty_folder_save_nothing(job, patch, github, tmp_path, capsys):
    save(patch(), BRANCH, head(job))
    (tmp_path / "none").mkdir()
    save(tmp_path / "none", BRANCH, head(job))
    assert capsys.readouterr().out == "the patch is empty: nothing to save\n" * 2
    assert not github.state["dispatches"]


@pytest.mark.parametrize("branch", ["main", "gone", "v1.0"])
def test_where_nothing_can_be_saved_nothing_to_save_is_fine(tmp_path, github, capsys, branch):
    save(tmp_path, branch)
    assert capsys.readouterr().out == "the patch is empty: nothing to save\n"
    assert not github.state["requests"]


REFUSED = [
    "src/ml/features.py", "params.yaml", "schema.yaml", ".github/workflows/check.yml", "Makefile",
    "dvc.yaml", ".dvc/config", ".gitattributes", "artifacts/.gitignore", "artifacts/.gitattributes",
    "artifacts/plots/.hidden", "docs/approver.md", "docs/model-card.md.sh", "data/.gitignore",
    "data/deep/raw.parquet.dvc", "deploy/production/release.env", "uv.lock", "store/readme.md",
    "sub/dvc.lock", "dvc.lock.py", "tests/test_x.py", "dvc.lock/x",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_another_path_is_refused_by_name(job, patch, origin, name):
    write(job, {"dvc.lock": "good\n"})
    if name.startswith("dvc.lock/"):
        (job / "dvc.lock").unlink()
    write(job, {name: "bad\n"})
    with pytest.raises(UserError, match=r"must not save") as refused:
        save(patch(name), BRANCH, head(job))
    assert name in str(refused.value)
    assert git(origin, "rev-parse", BRANCH) == head(job)


def test_a_name_cannot_speak_to_the_runner(job, patch):
    write(job, {"src/a\n::warning::owned": "x"})
    with pytest.raises(UserError) as refused:
        save(patch(), BRANCH, head(job))
    assert r"src/a\n: :warning: :owned (only" in str(refused.value)


def test_a_patch_that_is_a_link_is_refused(job, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/changes.patch").symlink_to(job / ".git/config")
    with pytest.raises(UserError, match="is a link"):
        save(tmp_path / "made", BRANCH, head(job))


@pytest.mark.parametrize("name", ["artifacts/model/model.onnx", "artifacts/gate.json"])
def test_what_git_ignores_is_refused(job, patch, name):
    write(job, {name: "x"})
    with pytest.raises(UserError, match="Git ignores it"):
        save(patch(name), BRANCH, head(job))


def test_rules_of_the_branch_itself_do_not_count(job, patch):
    write(job, {"artifacts/.gitignore": "\n"})
    git(job, "commit", "--quiet", "--all", "--message", "Ignore nothing")
    git(job, "push", "--quiet", "origin", BRANCH)
    write(job, {"artifacts/gate.json": "{}"})
    with pytest.raises(UserError, match="Git ignores it"):
        save(patch(), BRANCH, head(job))


def test_a_link_is_refused(job, patch):
    (job / "dvc.lock").unlink()
    (job / "dvc.lock").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=r"dvc\.lock \(mode 120000"):
        save(patch(), BRANCH, head(job))


def test_a_change_of_mode_is_refused(job, patch):
    (job / "dvc.lock").chmod(0o755)
    with pytest.raises(UserError, match=r"dvc\.lock \(mode 100755"):
        save(patch(), BRANCH, head(job))


def test_a_repository_inside_is_refused(job, patch):
    git(job, "update-index", "--add", "--cacheinfo", f"160000,{head(job)},artifacts/inner")
    path = patch()
    text = path.read_bytes() or (
        b"diff --git a/artifacts/inner b/artifacts/inner\nnew file mode 160000\n--- /dev/null\n"
        b"+++ b/artifacts/inner\n@@ -0,0 +1 @@\n+Subproject commit " + head(job).encode() + b"\n"
    )
    path.write_bytes(text)
    with pytest.raises(UserError, match=r"artifacts/inner \(mode 160000"):
        save(path, BRANCH, head(job))


@pytest.mark.parametrize("name", ["../out", "artifacts/../../out", "/etc/x", ".git/config"])
def test_a_path_that_leads_out_is_refused(job, patch, name, tmp_path):
    path = patch()
    path.write_text(
        f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n"
        "@@ -0,0 +1 @@\n+x\n"
    )
    with pytest.raises(UserError):
        save(path, BRANCH, head(job))
    assert not (tmp_path / "out").exists()


def test_an_object_of_the_store_never_changes(job, patch):
    write(job, {STORED: "other\n"})
    with pytest.raises(UserError, match="never change"):
        save(patch(), BRANCH, head(job))


def test_an_object_of_the_store_never_goes(job, patch):
    (job / STORED).unlink()
    with pytest.raises(UserError, match="never change"):
        save(patch(), BRANCH, head(job))


def test_an_object_under_a_false_name_is_refused(job, patch):
    write(job, {object_path("blue\n"): "poison\n"})
    with pytest.raises(UserError, match="another one than its name says"):
        save(patch(), BRANCH, head(job))


def test_a_patch_that_does_not_fit_is_refused(job, patch):
    path = patch()
    path.write_text("--- a/dvc.lock\n+++ b/dvc.lock\n@@ -1 +1 @@\n-other\n+x\n")
    with pytest.raises(UserError, match="does not fit"):
        save(path, BRANCH, head(job))
    path.write_text("no patch\n")
    with pytest.raises(UserError, match="does not fit"):
        save(path, BRANCH, head(job))


def test_a_newer_push_supersedes(job, patch, origin, github, capsys):
    write(job, GOOD)
    path, made_for = patch(), head(job)
    git(job, "reset", "--quiet", "--hard")
    git(job, "commit", "--quiet", "--allow-empty", "--message", "Newer")
    git(job, "push", "--quiet", "origin", BRANCH)
    save(path, BRANCH, made_for)
    assert "a newer push supersedes" in capsys.readouterr().out
    assert git(origin, "log", "-1", "--format=%s", BRANCH) == "Newer"
    assert not github.state["dispatches"]


def test_a_push_at_the_same_moment_supersedes(job, patch, origin, github, monkeypatch, capsys):
    write(job, GOOD)
    path, made_for, make = patch(), head(job), commits.commit
    git(job, "reset", "--quiet", "--hard")

    def slow(*arguments):
        git(job, "commit", "--quiet", "--allow-empty", "--message", "Newer")
        git(job, "push", "--quiet", "origin", BRANCH)
        return make(*arguments)

    monkeypatch.setattr(commits, "commit", slow)
    save(path, BRANCH, made_for)
    assert "a newer push supersedes" in capsys.readouterr().out
    assert git(origin, "log", "-1", "--format=%s", BRANCH) == "Newer"
    assert not github.state["dispatches"]


def test_a_rewritten_branch_supersedes(job, patch, origin, capsys):
    write(job, GOOD)
    path, made_for = patch(), head(job)
    git(job, "commit", "--quiet", "--amend", "--all", "--message", "Rewritten")
    git(job, "push", "--quiet", "--force", "origin", BRANCH)
    save(path, BRANCH, made_for)
    assert "a newer push supersedes" in capsys.readouterr().out


def test_it_can_run_again_after_the_dispatch_failed(job, patch, github, origin, capsys):
    github.fail("/dispatches$", 403, "Resource not accessible by integration", times=1)
    write(job, GOOD)
    path, made_for = patch(), head(job)
    with pytest.raises(UserError, match="dispatches"):
        save(path, BRANCH, made_for)
    saved = git(origin, "rev-parse", BRANCH)
    save(path, BRANCH, made_for)
    save(path, BRANCH, made_for)
    assert git(origin, "rev-parse", BRANCH) == saved
    assert len(github.state["dispatches"]) == 1
    assert "has this already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("branch", "words"),
    [("main", "only"), ("gone", "no branch"), ("-a", "no name"), ("a b", "no")],
)
def test_another_branch_is_refused(job, patch, branch, words):
    write(job, GOOD)
    with pytest.raises(UserError, match=words):
        save(patch(), branch, head(job))


def test_a_head_that_is_no_sha_is_refused(job, patch):
    write(job, GOOD)
    with pytest.raises(UserError, match="not the sha"):
        save(patch(), BRANCH, "main; touch x")


def test_a_patch_that_is_not_there_is_a_mistake(job):
    with pytest.raises(UserError, match="not there"):
        save(Path("no.patch"), BRANCH, head(job))


def test_without_a_branch_it_is_that_of_the_pull_request_with_the_head(github, job, patch):
    write(job, GOOD)
    head_now = head(job)
    place = {"full_name": "acme/bees"}
    about = {"ref": BRANCH, "label": f"acme:{BRANCH}", "repo": place, "sha": head_now}
    github.state["pulls"].append({"number": 1, "state": "open", "head": about, "labels": []})
    save(patch(), head=head_now)
    assert [one["ref"] for one in github.state["dispatches"]] == [BRANCH]


def test_a_fork_gets_nothing_saved(github, job, patch, capsys):
    write(job, GOOD)
    about = {"ref": BRANCH, "label": f"eve:{BRANCH}", "repo": {"full_name": "eve/bees"}}
    about["sha"] = head(job)
    github.state["pulls"].append({"number": 1, "state": "open", "head": about, "labels": []})
    save(patch(), head=head(job))
    assert "nothing to save" in capsys.readouterr().out
    assert github.state["dispatches"] == []
