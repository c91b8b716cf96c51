"""A project on a Git host with a runner: its workflows unmodified, from the first push on.

GIT_HOST_ENV names a file with the host's address and tokens: `.ci/git-host` starts one.
"""

import base64
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pandas as pd
import pytest
from baked import REGISTRY, ROOT, bake, commit, run
from workflows import AUTHOR

pytestmark = [pytest.mark.git_host, pytest.mark.docker, pytest.mark.registry]
LONGEST = 1500  # seconds until the runs of one event are done
CHECKED = dict.fromkeys(("check", "pipeline"), "success")
JUDGED = {"judge": "success", "publish": "success", "approve": "skipped"}


class Host:
    """The Git host by its API, as the author of the project."""

    def __init__(self, environment: Path) -> None:
        said = environment.read_text("utf-8").removeprefix("export ").split()
        facts = dict(pair.split("=", 1) for pair in said)
        self.url, self.token, self.name = facts["FORGE"], facts["AUTHOR"], facts["REPO"]
        self.approver = facts["APPROVER"]
        self.seen: set[int] = set()

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """The content of an answer; a path is below the repository, the author's unless said."""
        request = Request(
            f"{self.url}/api/v1/repos/{self.name}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {token or self.token}",
                     "Content-Type": "application/json"},
        )  # fmt: skip
        with urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def runs(self) -> list[dict[str, Any]]:
        found = self.ask("GET", "/actions/runs?limit=50")["workflow_runs"]
        return [one for one in found or [] if one["id"] not in self.seen]

    def jobs(self, number: int) -> list[dict[str, Any]]:
        return self.ask("GET", f"/actions/runs/{number}/jobs")["jobs"] or []

    def ends(self, *wanted: str) -> dict[str, dict[str, str]]:
        """By workflow, event and branch, how the jobs of the new runs ended, once all have.

        `wanted` are runs that must be among them; a job's end may start another run.
        """
        end, quiet = time.monotonic() + LONGEST, 0
        while time.monotonic() < end:
            found = {one["id"]: (label(one), self.jobs(one["id"])) for one in self.runs()}
            open_ = [job for _, jobs in found.values() for job in jobs if not is_done(job)]
            there = {name for name, _ in found.values()}
            quiet = 0 if open_ or not set(wanted) <= there else quiet + 1
            if quiet == 3:
                self.seen |= set(found)
                return {
                    name: {job["name"]: job["conclusion"] for job in jobs}
                    for name, jobs in found.values()
                }
            time.sleep(2)
        raise AssertionError(f"not in {LONGEST} s: {wanted} of {there}, open: {open_}")

    def log(self, workflow: str, job: str) -> str:
        """The log of a job of the newest run of a workflow."""
        numbers = [
            one["id"]
            for one in self.ask("GET", "/actions/runs?limit=50")["workflow_runs"]
            if label(one).startswith(workflow)
        ]
        found = next(one for one in self.jobs(max(numbers)) if one["name"] == job)
        address = f"{self.url}/api/v1/repos/{self.name}/actions/jobs/{found['id']}/logs"
        request = Request(address, headers={"Authorization": f"token {self.token}"})
        with urlopen(request, timeout=60) as answer:
            return answer.read().decode("utf-8", errors="replace")

    def pull(self, branch: str) -> dict[str, Any]:
        """The open pull request of a branch."""
        (found,) = [
            one
            for one in self.ask("GET", "/pulls?state=open&limit=50")
            if one["head"]["ref"] == branch
        ]
        return found

    def approve(self, branch: str) -> None:
        """As the owner of the rules does."""
        pull = self.pull(branch)
        said = {"event": "APPROVED", "commit_id": pull["head"]["sha"]}
        self.ask("POST", f"/pulls/{pull['number']}/reviews", said, self.approver)

    def land(self, branch: str) -> None:
        """Approve and merge a pull request of which every status is green."""
        found = self.statuses(branch)
        assert found["gate"] == "success", found
        assert set(found.values()) == {"success"}, found
        self.approve(branch)
        self.merge(branch)

    def statuses(self, branch: str) -> dict[str, str]:
        """By context, what the newest commit of a pull request has."""
        sha = self.pull(branch)["head"]["sha"]
        newest: dict[str, str] = {}
        for one in self.ask("GET", f"/commits/{sha}/statuses?limit=50&sort=recentupdate"):
            newest.setdefault(one["context"], one["status"])
        return newest

    def comment(self, branch: str) -> str:
        """The one comment on a pull request."""
        (one,) = self.ask("GET", f"/issues/{self.pull(branch)['number']}/comments")
        return one["body"]

    def merge(self, branch: str, tries: int = 11) -> None:
        """As a person does; tried again while the host still looks whether it can be merged."""
        path = f"/pulls/{self.pull(branch)['number']}/merge"
        for left in range(tries - 1, -1, -1):
            try:
                self.ask("POST", path, {"Do": "merge", "delete_branch_after_merge": True})
                return
            except HTTPError as error:
                if error.code != 405 or not left:
                    raise
                time.sleep(1)

    def edit(self, branch: str, path: str, old: str, new: str) -> None:
        """One value of a file, edited in the browser on a branch of its own."""
        found = self.ask("GET", f"/contents/{path}?ref=main")
        text = base64.b64decode(found["content"]).decode()
        assert text.count(old) == 1
        content = base64.b64encode(text.replace(old, new).encode()).decode()
        self.ask("PUT", f"/contents/{path}", {
            "branch": "main", "new_branch": branch, "sha": found["sha"], "content": content,
            "message": f"{new} in {path}",
        })  # fmt: skip

    def file_text(self, path: str, ref: str) -> str:
        content = self.ask("GET", f"/contents/{path}?ref={ref}")["content"]
        return base64.b64decode(content).decode()


def label(run: dict[str, Any]) -> str:
    """As in check push main: workflow, event, branch; of a pull request none is told."""
    name = Path(run["path"].partition("@")[0]).stem
    return f"{name} {run['event']} {run.get('head_branch') or ''}".strip()


def is_done(job: dict[str, Any]) -> bool:
    return job["status"] == "completed"


def address_of(host: Host) -> str:
    """The repository's URL with the author's token."""
    return host.url.replace("://", f"://author:{host.token}@") + f"/{host.name}.git"


@pytest.fixture(scope="module")
def host() -> Host:
    return Host(Path(os.environ["GIT_HOST_ENV"]))


def stand_in(actions: Path, name: str, edits: dict[str, str]) -> None:
    """A stand-in of the host's for an action, with inputs that judge.yml needs besides."""
    shims = Path(os.environ["GIT_HOST_SEED"]).parent / "shims" / name
    text = (shims / "action.yml").read_text("utf-8")
    for old, new in edits.items():
        assert text.count(old) == 1, (name, old)
        text = text.replace(old, new)
    made = actions / name
    made.mkdir(parents=True)
    (made / "action.yml").write_text(text)
    run("git", "init", "--quiet", "--initial-branch=main", cwd=made)
    commit(made, "stand-in")


CHECKOUT = {
    '  ssh-key: {default: ""}\n': '  ssh-key: {default: ""}\n  path: {default: "."}\n',
    "        KEEP: ${{": "        FOLDER: ${{ inputs.path }}\n        KEEP: ${{",
    'cd "$GITHUB_WORKSPACE"\n':
        'mkdir -p "$GITHUB_WORKSPACE/$FOLDER"; cd "$GITHUB_WORKSPACE/$FOLDER"\n',
}  # fmt: skip
DOWNLOAD = {
    "  name: {required: true}\n": '  name: {default: ""}\n  pattern: {default: ""}\n'
        '  merge-multiple: {default: ""}\n  run-id: {default: ""}\n  github-token: {default: ""}\n',
    "        NAME: ${{ inputs.name }}\n": "        NAME: ${{ inputs.name || inputs.pattern }}\n"
        "        NEED: ${{ inputs.name }}\n        RUN: ${{ inputs.run-id || github.run_id }}\n",
    "$FORGE_ARTIFACTS/$GITHUB_RUN_ID/$NAME": "$FORGE_ARTIFACTS/$RUN/$NAME",
    'run"; exit 1; }': 'run"; [ -z "$NEED" ]; exit; }',
}  # fmt: skip


@pytest.fixture(scope="module")
def project(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project, set up, with a stand-in on the host for each action that it names."""
    made = bake(tmp_path_factory.mktemp("git_host"), registry=f"{REGISTRY}/acme",
                github_owner="approver")  # fmt: skip
    path = f"{os.environ['GIT_HOST_TOOLS']}{os.pathsep}{os.environ['PATH']}"
    run("make", "setup", cwd=made, PATH=path)
    commit(made, "Start")
    actions = Path(os.environ["GIT_HOST_ENV"]).parent / "actions"
    stand_in(actions, "actions/checkout", CHECKOUT)
    stand_in(actions, "actions/download-artifact", DOWNLOAD)
    # In a shell that has the host's address and tokens.
    script = f". {os.environ['GIT_HOST_ENV']}; {os.environ['GIT_HOST_SEED']} {made}"
    run("bash", "-c", script, cwd=made)
    return made


def protect(host: Host) -> None:
    """Protect main as docs/github.md says."""
    host.ask("POST", "/branch_protections", {
        "rule_name": "main", "enable_push": False, "enable_status_check": True,
        "status_check_contexts": ["check / *", "gate"], "required_approvals": 1,
        "dismiss_stale_approvals": True, "block_on_rejected_reviews": True,
    })  # fmt: skip


def test_from_the_first_push_to_production_and_on(host, project):
    push(host, project, "main")

    first = host.ends("check push main", "release push main", "judge workflow_run main",
                      "check workflow_dispatch bot/release-staging",
                      "judge workflow_dispatch main")  # fmt: skip
    assert first["judge workflow_dispatch main"] == JUDGED
    assert first["check push main"] == CHECKED
    assert first["release push main"] == {"image": "success", "propose": "success"}
    assert first["check workflow_dispatch bot/release-staging"] == CHECKED
    assert first["judge workflow_run main"] == JUDGED
    assert re.search(r"\d+ passed", host.log("check push", "check"))
    protect(host)

    # The first release, after which the same checks must be green for ever.
    host.land("bot/release-staging")
    assert host.ends("check push main")["check push main"] == CHECKED
    assert "IMAGE=" + REGISTRY in host.file_text("deploy/staging/release.env", "main")

    host.ask("POST", "/actions/workflows/promote.yml/dispatches", {"ref": "main", "inputs": {}})
    host.ends("promote workflow_dispatch main", "check workflow_dispatch bot/promote-production",
              "judge workflow_dispatch main")  # fmt: skip
    host.land("bot/promote-production")
    assert host.ends("check push main")["check push main"] == CHECKED
    files = [
        host.file_text(f"deploy/{name}/release.env", "main") for name in ("staging", "production")
    ]
    assert files[0] == files[1]


def propose(host: Host, branch: str, path: str, old: str, new: str) -> None:
    """A pull request of one edited value, until what it made was checked and judged."""
    host.edit(branch, path, old, new)
    host.ask("POST", "/pulls", {"head": branch, "base": "main", "title": branch})
    found = host.ends("check pull_request", "judge workflow_run main",
                      f"check workflow_dispatch {branch}",
                      "judge workflow_dispatch main")  # fmt: skip
    assert found["judge workflow_run main"] == JUDGED
    assert found["judge workflow_dispatch main"] == JUDGED


def test_a_bad_model_is_refused_at_the_head_that_would_be_merged(host, project):
    propose(host, "reckless", "params.yaml", "learning_rate: 0.1,", "learning_rate: 0.5,")
    assert host.statuses("reckless")["gate"] == "failure"
    assert "❌ Refused" in host.comment("reckless")
    host.approve("reckless")
    host.ends("review pull_request_review_approved", "judge workflow_run main")
    assert host.statuses("reckless")["gate"] == "failure"
    with pytest.raises(HTTPError, match="405"):
        host.merge("reckless", tries=1)


@pytest.mark.nightly
def test_a_parameter_edited_in_the_browser_is_trained_and_lands(host, project):
    propose(host, "slower", "params.yaml", "learning_rate: 0.1,", "learning_rate: 0.05,")
    assert "learning_rate: 0.05" in host.file_text("dvc.lock", "slower")
    host.land("slower")
    assert host.ends("check push main")["check push main"] == CHECKED


@pytest.mark.nightly
def test_a_changed_rule_waits_for_its_owner(host, project):
    host.edit("looser", "gate.yaml", "confidence: 0.95", "confidence: 0.9")
    host.ask("POST", "/pulls", {"head": "looser", "base": "main", "title": "looser"})
    host.ends("check pull_request", "judge workflow_run main")
    assert host.statuses("looser")["gate"] == "failure"
    assert "This change alters the rules" in host.comment("looser")
    host.approve("looser")
    found = host.ends("review pull_request_review_approved", "judge workflow_run main")
    assert found["judge workflow_run main"]["approve"] == "success"
    assert host.statuses("looser")["gate"] == "success"
    host.merge("looser")


@pytest.mark.nightly
def test_a_rollback_lands_without_training(host, project):
    host.land("bot/release-staging")  # of the parameter that was merged
    host.ends("check push main")
    host.ask("POST", "/actions/workflows/promote.yml/dispatches", {"ref": "main", "inputs": {}})
    host.ends("promote workflow_dispatch main", "check workflow_dispatch bot/promote-production",
              "judge workflow_dispatch main")  # fmt: skip
    host.land("bot/promote-production")
    host.ends("check push main")
    fetch(host, project, "main")
    run("make", "rollback", cwd=project, ENVIRONMENT="production")
    commit(project, "Roll production back")
    push(host, project, "rollback")
    open_pull(host, "rollback")
    host.land("rollback")
    host.ends("check push main")
    older, newer = (
        host.file_text(f"deploy/{name}/release.env", "main") for name in ("production", "staging")
    )
    assert older != newer
    assert "Roll production back" in run("git", "log", "-1", "--format=%s", cwd=project)


@pytest.mark.nightly
def test_newer_data_is_proposed_and_lands(host, project, tmp_path):
    table = pd.read_parquet(project / "data/raw.parquet")
    later = pd.read_csv(ROOT / "demo/flights-2013-07.csv")
    source = tmp_path / "flights.csv"
    pd.concat([table, later]).to_csv(source, index=False)
    host.edit("source", "params.yaml", "  source:\n", f"  source: {source}\n")
    open_pull(host, "source")
    host.land("source")
    host.ends("check push main")
    inputs = {"reason": "a new month", "force": "true"}
    host.ask("POST", "/actions/workflows/retrain.yml/dispatches", {"ref": "main", "inputs": inputs})
    host.ends("retrain workflow_dispatch main", "check workflow_dispatch bot/retrain",
              "judge workflow_dispatch main")  # fmt: skip
    host.approve("bot/retrain")
    host.ends("review pull_request_review_approved", "judge workflow_run main")
    assert host.statuses("bot/retrain")["gate"] == "success", host.comment("bot/retrain")
    assert "a new month" in host.pull("bot/retrain")["body"]
    host.merge("bot/retrain")
    assert host.ends("check push main")["check push main"] == CHECKED


@pytest.mark.nightly
def test_the_second_of_two_rivals_lands_after_its_conflict_was_settled(host, project):
    for branch, value in (("fewer", 80), ("more", 120)):
        propose(host, branch, "params.yaml", "max_iter: 100", f"max_iter: {value}")
    host.land("fewer")
    host.ends("check push main")
    fetch(host, project, "more")
    fetch(host, project, "main", "--no-checkout")
    said = run("git", "merge", "FETCH_HEAD", cwd=project, fails=True, **AUTHOR)
    assert "CONFLICT (content): Merge conflict in dvc.lock" in said
    run("git", "checkout", "--ours", "params.yaml", cwd=project)
    run("git", "add", "params.yaml", cwd=project)
    run("make", "reproduce", cwd=project)
    commit(project, "Merge main")
    push(host, project, "more")
    host.ends("check pull_request", "judge workflow_run main")
    host.land("more")
    assert host.ends("check push main")["check push main"] == CHECKED
    assert "max_iter: 120" in host.file_text("dvc.lock", "main")


def fetch(host: Host, project: Path, branch: str, *only: str) -> None:
    """Check out the newest of a branch of the host, or with an option only fetch it."""
    run("git", "fetch", "--quiet", address_of(host), branch, cwd=project)
    if not only:
        run("git", "checkout", "--quiet", "--force", "-B", branch, "FETCH_HEAD", cwd=project)


def push(host: Host, project: Path, branch: str) -> None:
    """Push what is checked out, as the author."""
    run("git", "push", "--quiet", "--no-verify", address_of(host), f"HEAD:refs/heads/{branch}",
        cwd=project)  # fmt: skip


def open_pull(host: Host, branch: str) -> None:
    """Open a pull request, and wait for its verdict."""
    host.ask("POST", "/pulls", {"head": branch, "base": "main", "title": branch})
    host.ends("check pull_request", "judge workflow_run main")


def test_the_host_runs_what_was_pushed(project):
    """Nothing in the workflows was changed for this host."""
    done = subprocess.run(
        ["git", "diff", "--exit-code", "HEAD", "--", ".github"], cwd=project, check=False
    )
    assert done.returncode == 0
