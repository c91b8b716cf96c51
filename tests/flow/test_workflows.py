"""The generated workflows, run for real: on each event, what a job's end is and what it did."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
import pytest
import yaml
from baked import REGISTRY, ROOT, run
from workflows import AUTHOR, NAME, READS, WRITES, Lab, Ran

pytestmark = pytest.mark.act
LIBRARY = "vendor/mlgitops/src/mlgitops"


@pytest.fixture
def lab(ready, tmp_path):
    """A repository of its own for each test."""
    made = Lab(ready, tmp_path)
    with made.github:
        yield made
    if shutil.which("docker"):  # What a release leaves in Docker.
        commits = run("git", "rev-list", "--all", cwd=made.origin).split()
        tags = [f"{REGISTRY}/flights:{sha}" for sha in commits]
        subprocess.run(["docker", "image", "rm", *tags], capture_output=True, check=False)


def check(lab: Lab, branch: str, fork: str = "", **extra: str) -> Ran:
    """The job of check.yml that looks at the model, on the pull request of a branch."""
    token = READS if fork else WRITES
    event = lab.open_pull(branch, fork)
    return lab.run("check.yml", "pull_request", event, branch, token, ("check",), **extra)


def check_and_judge(
    lab: Lab, branch: str, gate: str = "success", fork: str = "", **ended: str
) -> Ran:
    """The check of a branch, and what judge.yml says of it: `ended` are jobs of the first."""
    first = check(lab, branch, fork)
    ends(first, **ended)
    return verdict(lab, first, gate)


def verdict(lab: Lab, first: Ran, gate: str = "success") -> Ran:
    """What judge.yml says of a run: its jobs are green, whatever the verdict."""
    ran = lab.judge(first)
    ends(ran)
    assert set(ran.jobs) == {"judge", "publish"}
    found = lab.statuses(json.loads((ran.artifacts / "verdict/verdict.json").read_text())["head"])
    assert found["gate"] == gate, ran.said
    return ran


def ends(ran: Ran, **wanted: str) -> None:
    """Assert the ends of the jobs: those that are not named succeed."""
    assert ran.jobs, ran.said
    assert ran.jobs == dict.fromkeys(ran.jobs, "success") | wanted, ran.said


def learn(lab: Lab, rate: str) -> None:
    lab.edit("params.yaml", "learning_rate: 0.1", f"learning_rate: {rate}")


def whole(lab: Lab, branch: str) -> Ran:
    """All jobs of check.yml on the pull request of a branch: `check` with all tests, too."""
    ran = lab.run("check.yml", "pull_request", lab.open_pull(branch), branch)
    assert re.search(r"\[check\] .*\b\d+ passed", ran.said), ran.said
    return ran


def test_a_change_of_words_passes_every_job_and_trains_nothing(lab):
    lab.branch("words")
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    ran = whole(lab, "words")
    ends(ran)
    assert set(ran.jobs) == {"check", "pipeline"}
    assert "nothing ran; the gate passes" in ran.said
    assert "Running stage" not in ran.said
    assert lab.comments() == []
    said = verdict(lab, ran).said
    assert "Running stage" not in said
    assert lab.comments()[0].startswith("<!-- report -->\n## ✅ Passed")
    assert lab.github.state["dispatches"] == []
    assert lab.statuses(lab.head("words")) == {"gate": "success"}


@pytest.mark.nightly
def test_a_change_after_a_release_passes_every_job(lab):
    lab.branch("release-staging")
    release_main(lab)
    lab.git("switch", "--quiet", "main")
    merge_branch(lab, "release-staging")
    assert "IMAGE=localhost" in lab.file_text("main", "deploy/staging/release.env")
    lab.branch("words")
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    ran = whole(lab, "words")
    ends(ran)
    verdict(lab, ran)
    main = lab.run("check.yml", "push", without=("check",))
    assert "the gate passes" in main.said
    verdict(lab, main)


FEATURE = """

def gust_ratio(columns, xp):
    \"\"\"How much a gust is stronger than the wind.\"\"\"
    return xp.log(columns["gust_mph"] / columns["wind_mph"])


FEATURES = (gust_ratio,)
"""


@pytest.mark.nightly
def test_a_feature_of_ones_own_passes_every_job(lab):
    lab.branch("gusts")
    lab.edit("src/ml/features.py", "\nFEATURES = ()\n", FEATURE)
    lab.push("Add a feature")
    first = whole(lab, "gusts")
    ends(first)
    assert "dvc.lock was out of date and has been made again" in first.said
    verdict(lab, first)
    second = lab.run("check.yml", "workflow_dispatch", branch="gusts")
    ends(second)
    assert "running it again gave the same hashes" in second.said
    verdict(lab, second)


def test_an_edit_of_the_library_turns_the_check_red_and_names_the_file(lab):
    lab.branch("tampered")
    lab.edit(f"{LIBRARY}/serving/health.py", "def main(", "def main_(")
    lab.push("Edit what is nobody's to edit")
    ran = lab.run("check.yml", "pull_request", lab.open_pull("tampered"), "tampered")
    assert ran.jobs["check"] == "failure"
    assert "src/mlgitops/serving/health.py" in ran.said


@pytest.mark.nightly
def test_a_push_to_main_is_checked_and_comments_nowhere(lab):
    ran = lab.run("check.yml", "push", without=("check",))
    ends(ran)
    assert "no pull request is open: no comment" in verdict(lab, ran).said
    assert lab.comments() == []


def test_a_parameter_edited_in_the_browser_is_trained_committed_and_checked(lab):
    lab.branch("slower")
    learn(lab, "0.05")
    mine = lab.push("Learn slower")
    first = check(lab, "slower")
    ends(first)
    assert "dvc.lock was out of date and has been made again; the gate passes" in first.said
    assert lab.head("slower") == mine
    verdict(lab, first)
    made = lab.head("slower")
    assert run("git", "rev-parse", f"{made}^", cwd=lab.origin).strip() == mine
    assert "learning_rate: 0.05" in lab.file_text("slower", "dvc.lock")
    assert lab.github.state["dispatches"] == [
        {"workflow": "check.yml", "sha": made, "inputs": {}, "ref": "slower"}
    ]
    assert "`train.estimator.learning_rate` | `0.1` | `0.05`" in lab.comments()[0]

    second = lab.run("check.yml", "workflow_dispatch", branch="slower")
    ends(second)
    assert set(second.jobs) == {"check", "pipeline"}
    verdict(lab, second)
    assert lab.statuses(made) == dict.fromkeys(("check", "pipeline", "gate"), "success")
    assert lab.statuses(mine) == {"gate": "success"}
    assert "dvc.lock is current: running it again gave the same hashes" in second.said
    assert lab.head("slower") == made
    assert len(lab.comments()) == 1
    assert "out of date" not in lab.comments()[0]


def test_a_model_that_is_worse_is_refused_and_the_report_says_why(lab):
    lab.branch("slip")
    learn(lab, "0.5")
    lab.push("Learn much faster")
    check_and_judge(lab, "slip", "failure")
    assert "❌ Refused" in lab.comments()[0]
    assert "worse than the dummy baseline" in lab.comments()[0]

    again = lab.run("check.yml", "workflow_dispatch", branch="slip", without=("check",))
    ends(again)
    verdict(lab, again, "failure")
    # This run had no job `check`.
    left = {"check": "failure", "pipeline": "success", "gate": "failure"}
    assert lab.statuses(lab.head("slip")) == left


def review(lab: Lab, branch: str) -> Ran:
    """judge.yml, as the end of review.yml starts it after the owner's approval of the head."""
    pull = next(one for one in lab.github.state["pulls"] if one["head"]["ref"] == branch)
    sha = lab.head(branch)
    pull["reviews"] = [{"user": {"login": "acme"}, "state": "APPROVED", "commit_id": sha}]
    return lab.run("judge.yml", "workflow_run", {
        "action": "completed", "repository": {"full_name": NAME, "default_branch": "main"},
        "workflow": {"name": "review"}, "workflow_run": {"head_sha": sha, "head_branch": branch},
    })  # fmt: skip


def test_a_changed_rule_waits_for_the_owner_of_the_rules(lab):
    lab.branch("looser")
    lab.edit("gate.yaml", "confidence: 0.95", "confidence: 0.9")
    lab.push("Ask for less")
    check_and_judge(lab, "looser", "failure")
    assert "gate.confidence: 0.95 → 0.9 (looser)" in lab.comments()[0].split("###")[0]
    assert [one["name"] for one in lab.github.state["pulls"][0]["labels"]] == ["rules"]
    ran = review(lab, "looser")
    assert ran.jobs == {"approve": "success"}, ran.said
    assert lab.statuses(lab.head("looser"))["gate"] == "success"


REFUSED = {
    "minimum": ("gate.yaml", "{log_loss: dummy}", "{log_loss: 0.0001}"),
    "slices": ("gate.yaml", "{min_rows: 30, limit: dummy}", "{min_rows: 5, limit: 0.000001}"),
    "champion": ("params.yaml", "learning_rate: 0.1", "learning_rate: 0.0001"),
    "budget": ("gate.yaml", "model_mb: 50", "model_mb: 0.0001"),
}


# The gate's own tests have each kind; through all jobs one of them goes daily.
@pytest.mark.parametrize(
    "kind",
    [pytest.param(one, marks=[pytest.mark.nightly] * (one != "champion")) for one in REFUSED],
)
def test_each_kind_of_the_gate_refuses_alone(lab, kind):
    release_main(lab)
    lab.branch(kind)
    lab.edit(*REFUSED[kind])
    lab.push("Try the gate")
    ran = check_and_judge(lab, kind, "failure")
    found = json.loads((ran.artifacts / "verdict/verdict.json").read_text("utf-8"))
    assert found["state"] == "refused"
    assert {one.partition(":")[0] for one in found["reasons"]} == {kind}
    assert "❌ Refused" in lab.comments()[0]


@pytest.mark.nightly
def test_code_that_the_linter_refuses_turns_only_its_job_red(lab):
    lab.branch("untidy")
    (lab.clone / "tests/test_untidy.py").write_text("import os\n", "utf-8")
    lab.push("Leave an import")
    ran = lab.run("check.yml", "pull_request", lab.open_pull("untidy"), "untidy")
    ends(ran, check="failure")
    assert "F401" in ran.said


def test_a_lock_file_edited_by_hand_is_refused_and_the_way_out_works(lab):
    lab.branch("forged")
    learn(lab, "0.05")
    lab.make("pipeline")
    lock = lab.clone / "dvc.lock"
    text = lock.read_text("utf-8")
    model = re.search(r"path: artifacts/model\n      hash: md5\n      md5: (\w+)\.dir", text)[1]
    lock.write_text(text.replace(model, "0" * 32), "utf-8")
    forged = lab.push("Learn slower")
    ran = check(lab, "forged")
    ends(ran, pipeline="failure")
    verdict(lab, ran, "failure")
    assert "export: artifacts/model is 00000000 in dvc.lock" in ran.said
    assert "artifacts/model is 00000000" in lab.comments()[0]
    assert lab.head("forged") == forged

    lab.git(*re.search(r"`git (checkout origin/main [\w ./-]+)`", ran.said)[1].split())
    lab.push("Let the check make it")
    check_and_judge(lab, "forged")
    assert model in lab.file_text("forged", "dvc.lock")


@pytest.mark.nightly
def test_metrics_edited_by_hand_are_refused_before_anything_runs(lab):
    lab.branch("flattered")
    metrics = lab.clone / "artifacts/metrics.json"
    metrics.write_text(re.sub(r'"accuracy": [\d.]+', '"accuracy": 1.0', metrics.read_text("utf-8")))
    lab.push("Flatter")
    ran = check(lab, "flattered")
    ends(ran, pipeline="failure")
    verdict(lab, ran, "failure")
    assert "no input changed: artifacts/metrics.json" in ran.said
    assert "Running stage" not in ran.said


def test_a_stale_lock_file_on_main_is_refused_and_nothing_trains(lab):
    learn(lab, "0.05")
    stale = lab.push("Straight to main")
    ran = lab.run("check.yml", "push", without=("check",))
    ends(ran, pipeline="failure")
    verdict(lab, ran, "failure")
    assert "dvc.lock of main is out of date: train (params.yaml)" in ran.said
    assert "Running stage" not in ran.said
    assert lab.head("main") == stale


def test_a_fork_is_judged_and_told_how_to_commit_the_lock_file(lab):
    lab.branch("theirs")
    learn(lab, "0.05")
    lab.push("Learn slower", ref="refs/pull/1/head")
    before = run("git", "for-each-ref", cwd=lab.origin)
    ran = check(lab, "theirs", fork="somebody/flights")
    ends(ran)
    said = verdict(lab, ran, "failure").said
    assert "is out of date in this commit, and a fork's check may not commit it" in said
    assert "In a fork do it yourself: `make reproduce`" in lab.comments()[0]
    assert "❌ Refused" in lab.comments()[0]
    assert run("git", "for-each-ref", cwd=lab.origin) == before
    # What it says to do.
    run("git", "apply", str(ran.artifacts / "result/changes.patch"), cwd=lab.clone)
    lab.push("Commit what the check made", ref="refs/pull/1/head")
    check_and_judge(lab, "theirs", fork="somebody/flights")
    assert "✅ Passed" in lab.comments()[0]


@pytest.mark.nightly
def test_a_newer_push_supersedes_what_an_older_check_made(lab):
    lab.branch("twice")
    learn(lab, "0.05")
    lab.push("Learn slower")
    older = lab.open_pull("twice")
    lab.edit("params.yaml", "learning_rate: 0.05", "learning_rate: 0.2")
    newer = lab.push("Not that fast")
    first = lab.run("check.yml", "pull_request", older, "twice", without=("check",))
    ends(first)
    ran = verdict(lab, first)
    assert "a newer push supersedes" in ran.said
    assert lab.head("twice") == newer
    assert lab.github.state["dispatches"] == []
    assert lab.comments() == []
    assert f"no comment: #1 is at {newer[:7]} by now" in ran.summary


@pytest.mark.nightly
def test_a_training_that_fails_half_way_leaves_nothing_and_says_so(lab):
    lab.branch("broken")
    lab.edit("params.yaml", "format: onnx", "format: pmml")
    learn(lab, "0.05")
    mine = lab.push("Break the export")
    ran = check(lab, "broken")
    ends(ran, pipeline="failure")
    verdict(lab, ran, "failure")
    assert "mlgitops train" in ran.said
    assert "params.yaml: export.format" in ran.said
    assert "a stage failed; the reason is above. Nothing was saved" in ran.said
    assert "a stage failed" in lab.comments()[0]
    assert lab.head("broken") == mine
    assert sorted(path.name for path in (ran.artifacts / "result").iterdir()) == ["report.md"]


@pytest.mark.nightly
def test_a_job_that_ends_without_a_report_is_told_instead_of_the_older_one(lab):
    lab.branch("words")
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    check_and_judge(lab, "words")
    begin = "    job_output.start()\n    with report_failure():\n        found = outcome"
    lab.edit(f"{LIBRARY}/ci/reproduce.py", begin, f"    raise SystemExit(9)\n{begin}")
    lab.push("Break the command")
    ran = check_and_judge(lab, "words", "failure", pipeline="failure")
    (told,) = lab.comments()
    assert re.search(r"ended without a report: http\S+/acme/flights/actions/runs/\d+\n", told)
    assert told in ran.summary


def lose_object(lab: Lab, md5: str, branch: str) -> Ran:
    """The check of a branch after main lost an object."""
    lab.git("switch", "--quiet", "main")
    (lab.clone / "store/files/md5" / md5[:2] / md5[2:]).unlink()
    lab.push("Lose an object")
    lab.branch(branch)
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    return check(lab, branch)


@pytest.mark.nightly
def test_an_object_that_the_store_lacks_is_made_again_or_named(lab):
    lock = yaml.safe_load((lab.clone / "dvc.lock").read_text("utf-8"))["stages"]
    fitted = lock["train"]["outs"][0]["md5"]
    first = lose_object(lab, fitted, "again")
    ends(first)
    verdict(lab, first)
    stored = f"store/files/md5/{fitted[:2]}/{fitted[2:]}"
    assert stored in run("git", "ls-tree", "-r", "--name-only", "again", cwd=lab.origin)
    main = lab.run("check.yml", "push", without=("check",))
    ends(main, pipeline="failure")
    verdict(lab, main, "failure")
    assert "main is current, but the store lacks artifacts/fitted.joblib" in main.said

    ran = lose_object(lab, lock["validate"]["deps"][0]["md5"], "named")
    ends(ran, pipeline="failure")
    verdict(lab, ran, "failure")
    assert "not in the store, and no stage makes it: data/raw.parquet" in ran.said


def test_a_branch_that_takes_an_object_from_the_store_is_refused(lab):
    lab.branch("taken")
    next(path for path in (lab.clone / "store").rglob("*") if path.is_file()).unlink()
    lab.push("Tidy up")
    ran = check(lab, "taken")
    ends(ran, pipeline="failure")
    verdict(lab, ran, "failure")
    assert "objects are only added to the store" in ran.said


def diverge(lab: Lab) -> None:
    """Main and the branch `slower`, which is checked out, each trained something else."""
    lab.branch("slower")
    learn(lab, "0.05")
    lab.make("pipeline")
    lab.push("Learn slower")
    lab.git("switch", "--quiet", "main")
    lab.edit("gate.yaml", "test_share: 0.2", "test_share: 0.25")
    lab.make("pipeline")
    lab.push("Test on more")
    lab.git("switch", "--quiet", "slower")


@pytest.mark.nightly
def test_a_conflict_in_the_lock_file_is_one_command(lab):
    diverge(lab)
    assert "CONFLICT (content): Merge conflict in dvc.lock" in lab.git("merge", "main", fails=True)
    assert "dvc.lock was out of date and has been made again" in lab.make("reproduce")
    assert lab.git("diff", "--name-only", "--diff-filter=U") == ""
    lab.push("Merge main")
    ran = check(lab, "slower")
    ends(ran)
    verdict(lab, ran)
    assert "dvc.lock is current: running it again gave the same hashes" in ran.said


@pytest.mark.nightly
def test_a_conflict_settled_in_the_browser_by_either_side_is_made_again(lab):
    diverge(lab)
    lab.git("merge", "--quiet", "--strategy-option", "theirs", "--no-edit", "main")
    lab.git("push", "--quiet", "origin", "slower")
    ran = check(lab, "slower")
    ends(ran)
    verdict(lab, ran)
    assert "made again" in ran.said
    assert lab.github.state["dispatches"][0]["sha"] == lab.head("slower")


needs_docker = pytest.mark.docker


def run_release(lab: Lab, after: str = "") -> Ran:
    """release.yml on a push to main, with the registry and the builder of this machine."""
    facts = {"full_name": NAME, "default_branch": "main", "visibility": "public"}
    payload = {"repository": facts, "after": after or lab.head("main")}
    given = {name: os.environ[name] for name in ("BASE", "BUILDER") if os.environ.get(name)}
    return lab.run("release.yml", "push", payload, variables={"REGISTRY": REGISTRY}, **given)


def proposal_text(lab: Lab) -> dict[str, str]:
    """What the proposal's branch says staging runs."""
    text = lab.file_text("bot/release-staging", "deploy/staging/release.env")
    return dict(line.split("=", 1) for line in text.splitlines())


@needs_docker
def test_a_merge_becomes_an_image_and_a_proposal_and_a_second_run_changes_nothing(lab):
    ran = run_release(lab)
    ends(ran)
    assert "Running stage" not in ran.said
    found, main = proposal_text(lab), lab.head("main")
    assert found["COMMIT"] == main
    name, _, digest = found["IMAGE"].partition("@")
    with urlopen(f"http://{REGISTRY}/v2/flights/manifests/{digest}") as answer:
        assert answer.status == 200
    attested = (ran.artifacts / "attested/list").read_text("utf-8").splitlines()
    assert [line.split() for line in attested] == [
        [found["IMAGE"]], [found["IMAGE"], "artifacts/sbom.json"],
    ]  # fmt: skip
    parts = json.loads((ran.artifacts / "sbom/sbom.json").read_text("utf-8"))["components"]
    assert {"onnxruntime", "fastapi"} <= {one["name"] for one in parts}
    assert "scikit-learn" not in {one["name"] for one in parts}
    pull = lab.github.state["pulls"][0]
    assert (pull["head"]["ref"], pull["title"]) == ("bot/release-staging", "Release to staging")
    assert "✅ Passed" in pull["body"]
    assert [one["ref"] for one in lab.github.state["dispatches"]] == ["bot/release-staging"]

    again = run_release(lab)
    ends(again)
    assert proposal_text(lab)["COMMIT"] == main
    assert len(lab.github.state["pulls"]) == 1
    assert name.startswith(REGISTRY)


@needs_docker
@pytest.mark.nightly
def test_a_project_pushed_for_the_first_time_ends_green_on_githubs_settings(lab):
    lab.github.state["permissions"]["can_approve_pull_request_reviews"] = False
    ends(lab.run("check.yml", "push", without=("check",)))
    ran = run_release(lab)
    ends(ran)
    assert lab.github.state["pulls"] == []
    assert proposal_text(lab)["COMMIT"] == lab.head("main")
    assert "/compare/main...bot/release-staging" in ran.summary
    assert "Allow GitHub Actions to create and approve pull requests" in ran.summary


def serve_otherwise(lab: Lab, how: str) -> str:
    """A commit of main that needs an image and trains nothing."""
    with (lab.clone / LIBRARY / "serving/pages.py").open("a", encoding="utf-8") as file:
        file.write(f"# {how}\n")
    return lab.push(f"Serve {how}")


@needs_docker
@pytest.mark.nightly
def test_a_release_goes_on_top_of_what_was_merged_meanwhile_and_never_back(lab):
    lab.branch("release-staging")
    release_main(lab)
    lab.git("switch", "--quiet", "main")
    second = serve_otherwise(lab, "better")
    merge_branch(lab, "release-staging")
    ends(run_release(lab, second))
    assert proposal_text(lab)["COMMIT"] == second
    proposal = lab.head("bot/release-staging")
    parent = run("git", "rev-parse", f"{proposal}^", cwd=lab.origin).strip()
    assert parent == lab.head("main")

    third = serve_otherwise(lab, "best")
    again = run_release(lab, second)
    ends(again)
    assert f"a newer release follows, of {third[:7]} Serve best" in again.said
    assert lab.head("bot/release-staging") == proposal
    assert lab.github.state["pulls"][0]["state"] == "open"
    assert lab.comments() == []


@pytest.mark.nightly
def test_a_branch_is_not_released(lab):
    lab.branch("mine")
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    ran = lab.run("release.yml", "workflow_dispatch", branch="mine")
    assert ran.jobs == {}, ran.said
    assert run("git", "branch", "--list", "bot/*", cwd=lab.origin) == ""


@needs_docker
def test_a_model_that_the_gate_refuses_is_not_released(lab):
    lab.edit("gate.yaml", "model_mb: 50", "model_mb: 0.0001")
    lab.push("Ask for a tiny model")
    ran = run_release(lab)
    assert ran.jobs["image"] == "failure"
    assert "refused: 1 of" in ran.said
    assert "propose" not in ran.jobs
    assert "docker build" not in ran.said
    assert run("git", "branch", "--list", "bot/*", cwd=lab.origin) == ""


def release_main(lab: Lab) -> None:
    """Staging runs main's commit, by a merge."""
    image = f"{REGISTRY}/flights@sha256:{'1' * 64}"
    lab.make("release", IMAGE=image, OFFLINE="1", REGISTRY=REGISTRY)
    lab.push("Release to staging")


def test_what_staging_runs_is_proposed_for_production_with_its_case(lab):
    lab.make("card")
    lab.push("Describe the model")
    release_main(lab)
    ran = lab.run("promote.yml", "workflow_dispatch", variables={"REGISTRY": REGISTRY})
    ends(ran)
    text = lab.file_text("bot/promote-production", "deploy/production/release.env")
    assert text == lab.file_text("main", "deploy/staging/release.env")
    assert lab.head("bot/promote-production^") == lab.head("main")
    changed = run("git", "diff", "--name-only", "main", "bot/promote-production", cwd=lab.origin)
    assert changed.split() == ["deploy/production/release.env"]
    pull = lab.github.state["pulls"][0]
    assert pull["title"] == "Promote to production"
    assert "| log_loss |" in pull["body"]
    assert "✅ Passed" in pull["body"]
    again = lab.run("promote.yml", "workflow_dispatch", variables={"REGISTRY": REGISTRY})
    ends(again)
    assert len(lab.github.state["pulls"]) == 1


GH = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/asked"
"""


def type_runbook(lab: Lab, heading: str, without: str = "", **extra: str) -> str:
    """The commands below a heading of the runbook, as a person types them; what gh was asked."""
    text = (lab.clone / "docs/runbook.md").read_text("utf-8").split(f"## {heading}\n")[1]
    lines = text.split("```\n")[1].splitlines()
    assert not without or sum(line.startswith(without) for line in lines) == 1
    script = "\n".join(line for line in lines if not without or not line.startswith(without))
    tools = lab.folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    (tools / "asked").write_text("")
    path = f"{tools}:{os.environ['PATH']}"
    given = {"PATH": path, "REGISTRY": "ghcr.io/acme"}
    run("bash", "-ec", script, cwd=lab.clone, **given, **AUTHOR, **extra)
    return (tools / "asked").read_text()


def merge_branch(lab: Lab, branch: str) -> None:
    """As a person merges a pull request on the Git host."""
    lab.git("switch", "--quiet", "main")
    lab.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
    lab.git("push", "--quiet", "origin", "main")


def test_the_commands_of_the_runbook_release_promote_and_roll_back(lab):
    lab.make(".venv/.made")  # As after `make setup`.
    files = ("deploy/staging/release.env", "deploy/production/release.env")
    for digit in "12":
        given = {"IMAGE": f"ghcr.io/acme/flights@sha256:{digit * 64}", "OFFLINE": "1"}
        assert (
            type_runbook(lab, "Release to staging", "make image", **given) == "pr create --fill\n"
        )
        merge_branch(lab, "release-staging")
        assert type_runbook(lab, "Promote to production") == "pr create --fill\n"
        merge_branch(lab, "promote-production")
    asked = type_runbook(lab, "Roll back")
    assert asked == "pr create --fill\npr merge --admin --merge --delete-branch\n"
    assert "1" * 64 in lab.file_text("rollback", files[1])
    changed = run("git", "diff", "--name-only", "main", "rollback", cwd=lab.origin)
    assert changed.split() == [files[1]]


@pytest.mark.nightly
def test_nothing_to_promote_is_an_error_that_proposes_nothing(lab):
    ran = lab.run("promote.yml", "workflow_dispatch")
    assert ran.jobs["summary"] == "failure"
    assert "staging has no release" in ran.said
    assert lab.github.state["pulls"] == []


def remember_source(lab: Lab, tmp_path: Path) -> Path:
    """The project's data comes from a file that grows."""
    source = tmp_path / "flights.csv"
    table = pd.read_parquet(lab.ready / "data/raw.parquet")
    table.to_csv(source, index=False)
    lab.make("data", SOURCE=str(source))
    lab.make("pipeline")
    lab.push("Remember where the data is from")
    return source


def test_drift_is_proposed_as_a_retrained_model_once_and_not_when_declined(lab, tmp_path):
    source = remember_source(lab, tmp_path)
    resting = lab.run("retrain.yml", "schedule")
    assert resting.jobs == {"retrain": "success"}, resting.said
    assert "the next run is after 7 days" in resting.said
    assert "not retrained: " in resting.summary

    # July is unlike the months before; its rows have arrived where the data is from.
    path = ".github/workflows/retrain.yml"
    lab.github.state["workflows"].append({"id": 2, "path": path, "state": "active"})
    july = {"MONITOR_LOG": str(ROOT / "demo/flights-2013-07.csv")}
    watched = lab.run("monitor.yml", "schedule", variables=july)
    ends(watched)
    assert "columns drifted" in watched.summary
    (started,) = lab.github.state["dispatches"]
    assert (started["workflow"], started["ref"]) == ("retrain.yml", "main")
    later = pd.read_csv(ROOT / "demo/flights-2013-07.csv")
    pd.concat([pd.read_csv(source), later]).to_csv(source, index=False)
    payload = {
        "inputs": started["inputs"] | {"force": "true"},
        "repository": {"full_name": NAME, "default_branch": "main"},
    }
    ran = lab.run("retrain.yml", "workflow_dispatch", payload)
    ends(ran)
    pull = lab.github.state["pulls"][0]
    assert (pull["head"]["ref"], pull["title"]) == ("bot/retrain", "Retrain on newer data")
    assert "columns drifted" in pull["body"].split("Retrained because")[1]
    assert "**Data**" in pull["body"]
    changed = run("git", "diff", "--name-only", "main", "bot/retrain", cwd=lab.origin).split()
    assert {"data/raw.parquet.dvc", "dvc.lock", "artifacts/metrics.json"} <= set(changed)
    assert [one["ref"] for one in lab.github.state["dispatches"]] == ["main", "bot/retrain"]

    checked = lab.run("check.yml", "workflow_dispatch", branch="bot/retrain", without=("check",))
    assert checked.jobs["pipeline"] == "success", checked.said
    assert "running it again gave the same hashes" in checked.said

    # A person closes it: the same drift proposes nothing again.
    pull["state"] = "closed"
    again = lab.run("monitor.yml", "schedule", variables=july)
    ends(again)
    assert "the closed proposal had this drift" in again.said + again.summary
    assert len(lab.github.state["dispatches"]) == 2


@pytest.mark.nightly
def test_data_that_breaks_the_contract_is_not_proposed(lab, tmp_path):
    source = remember_source(lab, tmp_path)
    table = pd.read_csv(source)
    table.loc[0, "origin"] = "ATL"
    table.to_csv(source, index=False)
    payload = {
        "inputs": {"force": "true"},
        "repository": {"full_name": NAME, "default_branch": "main"},
    }
    ran = lab.run("retrain.yml", "workflow_dispatch", payload)
    assert ran.jobs == {"retrain": "failure"}, ran.said
    assert "ATL" in ran.said
    assert lab.github.state["pulls"] == []
    assert run("git", "branch", "--list", "bot/*", cwd=lab.origin) == ""


@pytest.mark.nightly
def test_without_a_source_there_is_nothing_to_retrain_on(lab):
    ran = lab.run("retrain.yml", "schedule", {"schedule": "17 4 * * 1"})  # all that it has
    assert ran.jobs == {"retrain": "success"}, ran.said
    assert "no data source is saved" in ran.said


def test_the_tracking_server_follows_main(lab, tmp_path):
    release_main(lab)
    server = f"sqlite:///{tmp_path}/mlflow.db"
    ran = lab.run("track.yml", "push", variables={"MLFLOW_TRACKING_URI": server})
    ends(ran)
    assert "1 logged" in ran.said
    assert "staging: version 1" in ran.said
