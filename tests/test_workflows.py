"""The generated workflows, run for real: on each event, what a job's end is and what it did."""

import re

import pytest
import yaml
from conftest import run
from workflows import READS, WRITES, Lab, Ran

pytestmark = pytest.mark.act


@pytest.fixture(scope="session")
def environments(ready, tmp_path_factory):
    """Where the runner's machines find environments; the whole one is the ready project's."""
    folder = tmp_path_factory.mktemp("environments")
    (folder / "made").symlink_to(ready)
    return folder


@pytest.fixture
def lab(ready, environments, tmp_path):
    """A repository of its own for each test."""
    made = Lab(ready, tmp_path, environments)
    with made.github:
        yield made


def check(lab: Lab, branch: str, fork: str = "", **extra: str) -> Ran:
    """The jobs of check.yml that look at the model, on the pull request of a branch."""
    token = READS if fork else WRITES
    event = lab.opened(branch, fork)
    return lab.run("check.yml", "pull_request", event, branch, token, ("check",), **extra)


def ends(ran: Ran, **wanted: str) -> None:
    """Assert the ends of the jobs: those that are not named succeed."""
    assert ran.jobs == dict.fromkeys(ran.jobs, "success") | wanted, ran.said


def learn(lab: Lab, rate: str) -> None:
    lab.edit("params.yaml", "learning_rate: 0.1", f"learning_rate: {rate}")


def test_a_change_of_words_passes_every_job_and_trains_nothing(lab):
    lab.branch("words")
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    # The project's own tests run in test_project.py; here it counts that the job runs them.
    few = {"PYTEST_ADDOPTS": "tests/test_params.py"}
    ran = lab.run("check.yml", "pull_request", lab.opened("words"), "words", **few)
    ends(ran)
    assert set(ran.jobs) == {"check", "pipeline", "gate", "report"}
    assert "nothing ran; the gate passes" in ran.said
    assert "Running stage" not in ran.said
    assert lab.comments()[0].startswith("<!-- report -->\n## ✅ Passed")
    assert lab.github.state["dispatches"] == []


def test_a_push_to_main_is_checked_and_comments_nowhere(lab):
    ran = lab.run("check.yml", "push", without=("check",))
    ends(ran)
    assert "no pull request is open: no comment" in ran.said
    assert lab.comments() == []


def test_a_parameter_edited_in_the_browser_is_trained_committed_and_checked(lab):
    lab.branch("faster")
    learn(lab, "0.3")
    mine = lab.push("Learn faster")
    first = check(lab, "faster")
    ends(first)
    assert "dvc.lock was out of date and is made anew; the gate passes" in first.said
    made = lab.head("faster")
    assert run("git", "rev-parse", f"{made}^", cwd=lab.origin).strip() == mine
    assert "learning_rate: 0.3" in lab.shown("faster", "dvc.lock")
    assert lab.github.state["dispatches"] == [
        {"workflow": "check.yml", "sha": made, "inputs": {}, "ref": "faster"}
    ]
    assert "`train.estimator.learning_rate` | `0.1` | `0.3`" in lab.comments()[0]

    second = lab.run("check.yml", "workflow_dispatch", branch="faster", without=("check",))
    ends(second)
    assert "dvc.lock is current: the same hashes came out again" in second.said
    assert lab.head("faster") == made
    assert len(lab.comments()) == 1
    assert "out of date" not in lab.comments()[0]


def test_a_model_that_is_worse_is_refused_and_the_report_says_why(lab):
    lab.branch("slip")
    learn(lab, "10")
    lab.push("Learn much faster")
    ran = check(lab, "slip")
    ends(ran, gate="failure")
    assert "❌ Refused" in lab.comments()[0]
    assert "worse than the naive predictor" in lab.comments()[0]


def test_a_lock_file_edited_by_hand_is_refused_and_the_way_out_works(lab):
    lab.branch("forged")
    learn(lab, "0.3")
    lab.make("pipeline")
    lock = lab.clone / "dvc.lock"
    text = lock.read_text("utf-8")
    model = re.search(r"path: artifacts/model\n      hash: md5\n      md5: (\w+)\.dir", text)[1]
    lock.write_text(text.replace(model, "0" * 32), "utf-8")
    forged = lab.push("Learn faster")
    ran = check(lab, "forged")
    ends(ran, pipeline="failure", gate="failure")
    assert "export: artifacts/model is 00000000 in dvc.lock" in ran.said
    assert "artifacts/model is 00000000" in lab.comments()[0]
    assert lab.head("forged") == forged

    lab.git(*re.search(r"`git (checkout origin/main [\w ./-]+)`", ran.said)[1].split())
    lab.push("Let the check make it")
    ends(check(lab, "forged"))
    assert model in lab.shown("forged", "dvc.lock")


def test_metrics_edited_by_hand_are_refused_before_anything_runs(lab):
    lab.branch("flattered")
    metrics = lab.clone / "artifacts/metrics.json"
    metrics.write_text(re.sub(r'"accuracy": [\d.]+', '"accuracy": 1.0', metrics.read_text("utf-8")))
    lab.push("Flatter")
    ran = check(lab, "flattered")
    ends(ran, pipeline="failure", gate="failure")
    assert "no input changed: artifacts/metrics.json" in ran.said
    assert "Running stage" not in ran.said


def test_a_stale_lock_file_on_main_is_refused_and_nothing_trains(lab):
    learn(lab, "0.3")
    stale = lab.push("Straight to main")
    ran = lab.run("check.yml", "push", without=("check",))
    ends(ran, pipeline="failure", gate="failure")
    assert "dvc.lock of main is out of date: train (params.yaml)" in ran.said
    assert "Running stage" not in ran.said
    assert lab.head("main") == stale


def test_a_fork_is_judged_and_told_how_to_commit_the_lock_file(lab):
    lab.branch("theirs")
    learn(lab, "0.3")
    lab.push("Learn faster", ref="refs/pull/1/head")
    before = run("git", "for-each-ref", cwd=lab.origin)
    ran = check(lab, "theirs", fork="somebody/penguins")
    ends(ran, gate="failure")
    assert "no comment, as this token may only read" in ran.said
    assert "In a fork do it yourself: `make reproduce`" in ran.summary
    assert "dvc.lock of this commit is out of date, and a fork's check may not commit" in ran.said
    assert run("git", "for-each-ref", cwd=lab.origin) == before
    # What it says to do.
    run("git", "apply", str(ran.artifacts / "result/changes.patch"), cwd=lab.clone)
    lab.push("Commit what the check made", ref="refs/pull/1/head")
    ends(check(lab, "theirs", fork="somebody/penguins"))


def test_a_newer_push_supersedes_what_an_older_check_made(lab):
    lab.branch("twice")
    learn(lab, "0.3")
    lab.push("Learn faster")
    older = lab.opened("twice")
    lab.edit("params.yaml", "learning_rate: 0.3", "learning_rate: 0.2")
    newer = lab.push("Not that fast")
    ran = lab.run("check.yml", "pull_request", older, "twice", without=("check",))
    ends(ran)
    assert "a newer push supersedes" in ran.said
    assert lab.head("twice") == newer
    assert lab.github.state["dispatches"] == []


def test_a_training_that_fails_half_way_leaves_nothing_and_says_so(lab):
    lab.branch("broken")
    lab.edit("params.yaml", "format: onnx", "format: pmml")
    learn(lab, "0.3")
    mine = lab.push("Break the export")
    ran = check(lab, "broken")
    ends(ran, pipeline="failure", gate="failure")
    assert "ml train" in ran.said
    assert "params.yaml: export.format" in ran.said
    assert "a stage failed; the reason is above. Nothing is kept" in ran.said
    assert "a stage failed" in lab.comments()[0]
    assert lab.head("broken") == mine
    assert sorted(path.name for path in (ran.artifacts / "result").iterdir()) == ["report.md"]


def test_an_object_that_the_store_lacks_is_made_again_or_named(lab):
    lab.branch("lost")
    lock = yaml.safe_load((lab.clone / "dvc.lock").read_text("utf-8"))["stages"]
    fitted = lock["train"]["outs"][0]["md5"]
    raw = lock["validate"]["deps"][0]["md5"]
    for md5 in (fitted,):
        (lab.clone / "store/files/md5" / md5[:2] / md5[2:]).unlink()
    lab.push("Lose the fitted model")
    ran = check(lab, "lost")
    ends(ran)
    stored = f"store/files/md5/{fitted[:2]}/{fitted[2:]}"
    assert stored in run("git", "ls-tree", "-r", "--name-only", "lost", cwd=lab.origin)

    lab.git("fetch", "--quiet")
    lab.git("reset", "--quiet", "--hard", "origin/lost")
    (lab.clone / "store/files/md5" / raw[:2] / raw[2:]).unlink()
    lab.push("Lose the raw data")
    ran = check(lab, "lost")
    ends(ran, pipeline="failure", gate="failure")
    assert "not in the store, and no stage makes it: data/raw.parquet" in ran.said


def test_a_conflict_in_the_lock_file_is_one_command(lab):
    lab.branch("faster")
    learn(lab, "0.3")
    lab.make("pipeline")
    lab.push("Learn faster")
    lab.git("switch", "--quiet", "main")
    lab.edit("params.yaml", "test_share: 0.2", "test_share: 0.25")
    lab.make("pipeline")
    lab.push("Test on more")
    lab.git("switch", "--quiet", "faster")
    assert "CONFLICT (content): Merge conflict in dvc.lock" in lab.git("merge", "main", fails=True)
    assert "dvc.lock was out of date and is made anew" in lab.make("reproduce")
    assert lab.git("diff", "--name-only", "--diff-filter=U") == ""
    lab.push("Merge main")
    ran = check(lab, "faster")
    ends(ran)
    assert "dvc.lock is current: the same hashes came out again" in ran.said


def test_a_conflict_settled_in_the_browser_by_either_side_is_made_again(lab):
    lab.branch("faster")
    learn(lab, "0.3")
    lab.make("pipeline")
    lab.push("Learn faster")
    lab.git("switch", "--quiet", "main")
    lab.edit("params.yaml", "test_share: 0.2", "test_share: 0.25")
    lab.make("pipeline")
    lab.push("Test on more")
    lab.git("switch", "--quiet", "faster")
    lab.git("merge", "--quiet", "--strategy-option", "theirs", "--no-edit", "main")
    lab.git("push", "--quiet", "origin", "faster")
    ran = check(lab, "faster")
    ends(ran)
    assert "made anew" in ran.said
    assert lab.github.state["dispatches"][0]["sha"] == lab.head("faster")
