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

import pytest
from baked import REGISTRY, bake, commit, run

pytestmark = [pytest.mark.git_host, pytest.mark.docker, pytest.mark.registry]
LONGEST = 1500  # seconds until the runs of one event are done
CHECKED = {"check", "pipeline", "gate", "report"}


class Host:
    """The Git host by its API, as the author of the project."""

    def __init__(self, environment: Path) -> None:
        said = environment.read_text("utf-8").removeprefix("export ").split()
        facts = dict(pair.split("=", 1) for pair in said)
        self.url, self.token, self.name = facts["FORGE"], facts["AUTHOR"], facts["REPO"]
        self.seen: set[int] = set()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The content of an answer; a path is below the repository."""
        request = Request(
            f"{self.url}/api/v1/repos/{self.name}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
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

    def merge(self, branch: str) -> None:
        """As a person does; tried again while the host still looks whether it can be merged."""
        path = f"/pulls/{self.pull(branch)['number']}/merge"
        for left in range(10, -1, -1):
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


@pytest.fixture(scope="module")
def host() -> Host:
    return Host(Path(os.environ["GIT_HOST_ENV"]))


@pytest.fixture(scope="module")
def project(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project, set up, with a stand-in on the host for each action that it names."""
    made = bake(tmp_path_factory.mktemp("git_host"), registry=f"{REGISTRY}/acme")
    path = f"{os.environ['GIT_HOST_TOOLS']}{os.pathsep}{os.environ['PATH']}"
    run("make", "setup", cwd=made, PATH=path)
    commit(made, "Start")
    # In a shell that has the host's address and tokens.
    script = f". {os.environ['GIT_HOST_ENV']}; {os.environ['GIT_HOST_SEED']} {made}"
    run("bash", "-c", script, cwd=made)
    return made


def check_jobs(jobs: dict[str, str], status: bool) -> None:
    """Every job of check.yml is green; `status` runs for a dispatch only.

    There it is refused: a status needs a right that this host does not give to it.
    """
    assert {name: jobs[name] for name in CHECKED} == dict.fromkeys(CHECKED, "success")
    assert jobs["status"] == ("failure" if status else "skipped")


def test_from_the_first_push_to_production_and_on(host, project):
    address = host.url.replace("://", f"://author:{host.token}@") + f"/{host.name}.git"
    run("git", "push", "--quiet", "--no-verify", address, "main", cwd=project)

    first = host.ends("check push main", "release push main",
                      "check workflow_dispatch bot/release-staging")  # fmt: skip
    check_jobs(first["check push main"], status=False)
    assert first["release push main"] == {"image": "success", "propose": "success"}
    check_jobs(first["check workflow_dispatch bot/release-staging"], status=True)
    assert re.search(r"\d+ passed", host.log("check push", "check"))

    # The first release, after which the same checks must be green for ever.
    host.merge("bot/release-staging")
    released = host.ends("check push main")
    check_jobs(released["check push main"], status=False)
    assert "IMAGE=" + REGISTRY in host.file_text("deploy/staging/release.env", "main")

    host.ask("POST", "/actions/workflows/promote.yml/dispatches", {"ref": "main", "inputs": {}})
    promoted = host.ends("promote workflow_dispatch main",
                         "check workflow_dispatch bot/promote-production")  # fmt: skip
    check_jobs(promoted["check workflow_dispatch bot/promote-production"], status=True)
    host.merge("bot/promote-production")
    check_jobs(host.ends("check push main")["check push main"], status=False)
    files = [
        host.file_text(f"deploy/{name}/release.env", "main") for name in ("staging", "production")
    ]
    assert files[0] == files[1]

    # A parameter, edited in the browser: trained, committed, checked again.
    host.edit("slower", "params.yaml", "learning_rate: 0.1,", "learning_rate: 0.05,")
    host.ask("POST", "/pulls", {"head": "slower", "base": "main", "title": "Learn slower"})
    changed = host.ends("check pull_request", "check workflow_dispatch slower")
    assert changed["check pull_request"]["gate"] == "success"
    check_jobs(changed["check workflow_dispatch slower"], status=True)
    assert "learning_rate: 0.05" in host.file_text("dvc.lock", "slower")
    host.merge("slower")
    check_jobs(host.ends("check push main")["check push main"], status=False)


def test_the_host_runs_what_was_pushed(project):
    """Nothing in the workflows was changed for this host."""
    done = subprocess.run(
        ["git", "diff", "--exit-code", "HEAD", "--", ".github"], cwd=project, check=False
    )
    assert done.returncode == 0
