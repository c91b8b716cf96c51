"""The judge reads what a change made, and says what may be done with it."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlgitops.ci import judge
from mlgitops.core import job_output, paths
from mlgitops.git import repository
from mlgitops.git.patch import difference
from mlgitops.images import build
from mlgitops.releases import release_env

TEST = paths.TEST


class Change:
    """A branch of the workspace, as the jobs of check.yml leave it to the judge."""

    def __init__(self, workspace):
        self.workspace = workspace

    def commit_words(self):
        """A commit that changes nothing that is judged."""
        Path("notes.md").write_text("words")
        self.workspace.commit("Words")

    def hand_over(self, *made):
        """The branch is committed, its outputs lie in result/, and main is checked out."""
        job_output.start()
        if patch := difference(made):
            job_output.write(job_output.PATCH, patch)
            self.workspace.git("stash", "--quiet")
        job_output.write(job_output.VERDICT, b"{}")
        job_output.keep_outputs()
        head = repository.head()
        shutil.rmtree("change", ignore_errors=True)
        self.workspace.git("clone", "--quiet", ".", "change")
        self.workspace.git("switch", "--quiet", "main")
        return head

    def judge(self, head="", **more):
        """The verdict in verdict/, and the report."""
        judge.judge(head or self.hand_over(), **more)
        found = json.loads((job_output.JUDGED / "verdict.json").read_bytes())
        return found, (job_output.JUDGED / "report.md").read_text("utf-8")


@pytest.fixture
def change(workspace):
    """Branch `change`, which left main where the model was made."""
    Path(".gitignore").write_text("/change\n/result\n/verdict\n/judged\n/data/*.parquet\n"
                                  "/artifacts/model\n/artifacts/fitted.joblib\n")  # fmt: skip
    workspace.commit("Ignore")
    workspace.git("switch", "--quiet", "--create", "change")
    return Change(workspace)


def test_a_change_of_words_passes(change):
    change.commit_words()
    found, text = change.judge()
    assert (found["state"], found["reasons"]) == ("passed", [])
    assert "✅ Passed" in text


def test_a_changed_rule_needs_an_approval_and_is_named_first(change):
    change.workspace.set("gate.confidence", 0.9)
    change.workspace.commit("Ask for less")
    found, text = change.judge()
    assert found["state"] == "needs approval"
    start = text.split("###")[0]
    assert "This change alters the rules" in start
    assert "gate.confidence: 0.95 → 0.9" in start


def test_a_loosened_limit_does_not_hide_that_main_refuses(change, monkeypatch):
    change.workspace.git("switch", "--quiet", "main")
    change.workspace.set("gate.budget.model_mb", 0.0001)
    change.workspace.commit("Ask for a small model")
    change.workspace.git("switch", "--quiet", "change")
    change.workspace.git("merge", "--quiet", "--no-edit", "main")
    found, _ = change.judge()
    assert found["state"] == "refused"
    change.workspace.git("switch", "--quiet", "change")
    change.workspace.set("gate.budget.model_mb", 50)
    change.workspace.commit("Loosen the limit")
    found, text = change.judge()
    assert found["state"] == "needs approval"
    assert "by main's rules it is refused" in found["reasons"]
    assert "gate.budget.model_mb: 0.0001 → 50" in text


def test_a_limit_that_main_has_in_params_yaml_is_mains_too(change):
    """As an older project has it: the change's params.yaml does not stand in for main's."""
    change.workspace.git("switch", "--quiet", "main")
    rules = yaml.safe_load(Path("gate.yaml").read_text("utf-8"))
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    params["gate"] = rules.pop("gate")
    params["gate"]["budget"]["model_mb"] = 0.0001
    Path("gate.yaml").write_text(yaml.safe_dump(rules), "utf-8")
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    change.workspace.commit("As it was")
    change.workspace.git("switch", "--quiet", "change")
    change.workspace.git("merge", "--quiet", "--no-edit", "main")
    params["gate"]["budget"]["model_mb"] = 50
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    change.workspace.commit("Loosen the limit")
    found, text = change.judge()
    assert found["state"] == "needs approval"
    assert "by main's rules it is refused" in found["reasons"]
    assert "gate.budget.model_mb: 0.0001 → 50, in params.yaml (looser)" in text


def test_a_refusal_by_its_own_rules_stays_one(change):
    change.workspace.set("gate.budget.model_mb", 0.0001)
    change.workspace.commit("Ask for a small model")
    found, text = change.judge()
    assert found["state"] == "refused"
    assert any(reason.startswith("budget: ") for reason in found["reasons"])
    assert "❌ Refused" in text


def test_other_test_rows_than_the_rule_assigns_are_refused(change):
    change.commit_words()
    head = change.hand_over()
    easy = pd.read_parquet(TEST).head(20)
    easy.to_parquet(job_output.OUTPUTS / TEST, index=False)
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert "other rows than gate.yaml assigns" in found["reasons"][0]
    assert "other rows than gate.yaml assigns" in text


def test_another_model_than_the_lock_file_names_is_refused(change):
    change.commit_words()
    head = change.hand_over()
    next((job_output.OUTPUTS / paths.MODEL).glob("model.*")).write_bytes(b"another")
    found, _ = change.judge(head)
    assert found["state"] == "refused"
    assert "artifacts/model" in found["reasons"][0]


def falsify(path, edit):
    """A figure of the last run as a change's own code may write it, with a dvc.lock that agrees."""
    before = md5(path)
    found = json.loads(path.read_bytes())
    edit(found)
    path.write_text(json.dumps(found))
    lock = Path("dvc.lock").read_text()
    assert before in lock
    Path("dvc.lock").write_text(lock.replace(before, md5(path)))


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


FALSE = [
    (paths.METRICS, lambda found: found.update(roc_auc=0.25), "says roc_auc 0.25, but the"),
    (paths.METRICS, lambda found: found.update(rows=100_000), "says rows 100000, but the"),
    (paths.SLICES, lambda found: found.pop(), f"{paths.SLICES} lacks "),
]


@pytest.mark.parametrize(("path", "edit", "said"), FALSE)
def test_a_figure_that_the_model_does_not_have_is_refused(change, path, edit, said):
    change.commit_words()
    falsify(path, edit)
    found, text = change.judge(change.hand_over("dvc.lock", "artifacts/"))
    assert found["state"] == "refused"
    assert said in found["reasons"][0]
    assert said in text


@pytest.mark.parametrize("name", [TEST, paths.MODEL / "more"])
def test_a_link_in_what_was_handed_over_is_refused(change, name, tmp_path):
    change.commit_words()
    head = change.hand_over()
    place = job_output.OUTPUTS / name
    place.unlink(missing_ok=True)
    place.symlink_to("/etc/passwd")
    found, _ = change.judge(head)
    assert found["state"] == "refused"
    assert "has a link" in found["reasons"][0]


def test_a_link_in_git_is_read_as_a_file_and_nothing_outside_is_written(change, tmp_path):
    secret = tmp_path / "outside"
    secret.mkdir()
    shutil.rmtree("artifacts/plots", ignore_errors=True)
    Path("docs").mkdir(exist_ok=True)
    Path("docs/out").symlink_to(secret)
    change.workspace.commit("Point elsewhere")
    change.judge()
    assert not (judge.TREE / "docs/out").is_symlink()
    assert list(secret.iterdir()) == []


def test_a_patch_of_what_no_pipeline_makes_is_refused(change):
    change.commit_words()
    Path("gate.yaml").write_text(Path("gate.yaml").read_text().replace("0.95", "0.5"))
    found, _ = change.judge(change.hand_over("gate.yaml"))
    assert found["state"] == "refused"
    assert "gate.yaml (only what the pipeline makes)" in found["reasons"][0]
    assert not (job_output.JUDGED / "changes.patch").exists()


def test_a_fork_with_a_stale_lock_file_is_refused(change):
    change.workspace.set("split.seed", 5)
    change.workspace.commit("Split otherwise")
    change.workspace.run()
    head = change.hand_over("dvc.lock", "artifacts/")
    change.workspace.git("branch", "--delete", "--force", "change")
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert "a fork's check may not commit it" in found["reasons"][-1]
    assert text.startswith("<!-- report -->\n## ❌ Refused")
    assert "In a fork do it yourself" in text


def test_what_was_made_is_judged_and_kept_for_the_branch(change):
    change.workspace.set("split.seed", 5)
    change.workspace.commit("Split otherwise")
    change.workspace.run()
    found, text = change.judge(change.hand_over("dvc.lock", "artifacts/"))
    assert found["state"] == "needs approval"
    assert "split.seed: 0 → 5" in text
    assert (job_output.JUDGED / "changes.patch").exists()


def test_a_check_that_left_nothing_is_refused_with_its_page(change):
    change.commit_words()
    head = change.hand_over()
    shutil.rmtree(job_output.FOLDER)
    found, text = change.judge(head, url="https://host/runs/1")
    assert found["state"] == "refused"
    assert "https://host/runs/1" in text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/dvc", "not run: a fork's check has no login to the store. A maintainer sta"),
        ("../store", "the job pipeline left nothing to judge"),
    ],
)
def test_a_fork_without_a_login_to_the_store_is_told_who_starts_it(change, url, said):
    change.commit_words()
    head = change.hand_over()
    job_output.start()
    job_output.write(job_output.REPORT, b"<!-- report -->\n## no\n\nthe store cannot be read")
    change.workspace.git("branch", "--delete", "--force", "change")
    Path(".dvc").mkdir(exist_ok=True)
    config = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"
    Path(".dvc/config").write_text(config)
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert found["reasons"][0].startswith(said)
    assert text.count("<!-- report -->") == 1
    assert "the store cannot be read" in text
    assert ("refs/heads/fork-NUMBER" in text) is url.startswith("s3")


def test_a_checks_own_words_are_told_where_it_failed(change):
    change.commit_words()
    head = change.hand_over()
    job_output.start()
    job_output.write(job_output.REPORT, b"<!-- report -->\n## no\n\na stage failed")
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert "a stage failed" in text


def test_a_release_of_another_digest_is_refused_or_waits(change):
    workspace = change.workspace
    workspace.git("switch", "--quiet", "main")
    Path("deploy/staging").mkdir(parents=True)
    new = workspace.release(workspace.git("rev-parse", "HEAD"))
    release_env.write("staging", None)
    workspace.commit("Nothing runs")
    workspace.git("switch", "--quiet", "change")
    workspace.git("merge", "--quiet", "--no-edit", "main")
    release_env.write("staging", new)
    workspace.commit("Release")
    head = change.hand_over()
    found, text = change.judge(head)
    assert found["state"] == "needs approval"
    assert "nothing proves what" in text.split("###")[0]
    labels = {build.REVISION: new.commit, build.MODEL: "another", build.DATA: new.data}
    job_output.IMAGES.write_text(json.dumps({new.image: labels}))
    found, text = change.judge(head)
    assert found["state"] == "refused"
    assert "label ml.model is another" in text
    labels[build.MODEL] = new.model
    job_output.IMAGES.write_text(json.dumps({new.image: labels}))
    found, _ = change.judge(head)
    assert (found["state"], found["reasons"]) == ("passed", [])


def test_a_rule_that_main_altered_meanwhile_is_none_of_the_change(change):
    change.commit_words()
    head = repository.head()
    change.workspace.git("switch", "--quiet", "main")
    change.workspace.set("gate.confidence", 0.9)
    change.workspace.commit("Ask for less")
    change.workspace.git("switch", "--quiet", "change")
    assert change.hand_over() == head
    found, _ = change.judge(head)
    assert (found["state"], found["reasons"]) == ("passed", [])
