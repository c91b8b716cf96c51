"""A repository on a Git host that answers like GitHub, and its workflows run by act.

What act ignores is not tested here but by test_workflow_rules.py: filters of `on:`, permissions,
concurrency. A run that skips a job, or that lacks an action, fails the test.
"""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from baked import ROOT, run
from fake_github import FakeGitHub
from uv import find_uv_bin

SHIMS = ROOT / "tests/act/shims"
NAME = "acme/flights"
USES = re.compile(r"uses: ([\w.-]+/[\w.-]+)(?:/[\w./-]+)?@(\w+)")
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
WRITES, READS = "token-that-writes", "token-that-reads"
TIMES = itertools.count(1_700_000_000)
NUMBERS = itertools.count(int.from_bytes(os.urandom(3)))
AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


class Ran(NamedTuple):
    """What a run of a workflow did: by job its end, what was said, and the artifacts.

    `event` is what started it.
    """

    jobs: dict[str, str]
    said: str
    summary: str
    artifacts: Path
    event: str = ""

    @property
    def green(self) -> bool:
        return set(self.jobs.values()) == {"success"}


class Lab:
    """A bare repository as origin, its Git host, and a clone in which a person works."""

    def __init__(self, ready: Path, folder: Path) -> None:
        self.ready, self.folder = ready, folder
        self.origin = folder / "origin.git"
        run("git", "clone", "--quiet", "--bare", str(ready), str(self.origin), cwd=folder)
        for name in ("allowAnySHA1InWant", "allowReachableSHA1InWant"):
            run("git", "config", f"uploadpack.{name}", "true", cwd=self.origin)
        self.clone = folder / "clone"
        run("git", "clone", "--quiet", str(self.origin), str(self.clone), cwd=folder)
        self.github = FakeGitHub(NAME, str(self.origin))
        self.github.state["tokens"] = {WRITES: "workflow", READS: "read"}

    def git(self, *words: str, fails: bool = False) -> str:
        return run("git", *words, cwd=self.clone, fails=fails, **AUTHOR).strip()

    def make(self, target: str, fails: bool = False, **variables: str) -> str:
        """A command of the project, as a person runs it in the clone."""
        if not (self.clone / ".venv").exists():
            run("make", ".venv/.made", cwd=self.clone)
            inside(self.clone, run(*IMPORTED, cwd=self.clone))
            run(".venv/bin/dvc", "pull", "--quiet", cwd=self.clone)
        said = [f"{name}={value}" for name, value in variables.items()]
        return run("make", target, *said, cwd=self.clone, fails=fails, **AUTHOR)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.clone / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, (name, old)
        path.write_text(text.replace(old, new), "utf-8")
        # Another time than before: Git and DVC share an index that trusts times and sizes.
        seconds = next(TIMES)
        os.utime(path, (seconds, seconds))

    def branch(self, name: str) -> None:
        self.git("switch", "--quiet", "--create", name, "origin/main")

    def push(self, message: str, ref: str = "") -> str:
        """Commit everything and push it, to the branch of the same name or to a ref."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--no-verify", "--message", message)
        self.git("push", "--quiet", "--force", "origin", f"HEAD:{ref or self.current()}")
        return self.git("rev-parse", "HEAD")

    def current(self) -> str:
        return "refs/heads/" + self.git("branch", "--show-current")

    def head(self, branch: str) -> str:
        """The commit of a branch of origin."""
        return run("git", "rev-parse", f"refs/heads/{branch}", cwd=self.origin).strip()

    def file_text(self, branch: str, path: str) -> str:
        """A file of a branch of origin."""
        return run("git", "show", f"{branch}:{path}", cwd=self.origin)

    def open_pull(self, branch: str, fork: str = "") -> dict[str, Any]:
        """The event of a pull request of the branch, which is opened on the host, or of a fork."""
        sha = self.git("rev-parse", "HEAD")
        number = self.pull(branch, sha, fork or NAME)
        return {
            "action": "synchronize", "number": number,
            "repository": {"full_name": NAME, "default_branch": "main"},
            "pull_request": {
                "number": number,
                "head": {"ref": branch, "sha": sha, "repo": {"full_name": fork or NAME}},
                "base": {"ref": "main", "sha": self.head("main"), "repo": {"full_name": NAME}},
            },
        }  # fmt: skip

    def pull(self, branch: str, sha: str, place: str) -> int:
        """The number of the open pull request of a branch of a repository."""
        for one in self.github.state["pulls"]:
            if one["head"]["ref"] == branch and one["state"] == "open":
                one["head"]["sha"] = sha
                return int(one["number"])
        number, owner = len(self.github.state["pulls"]) + 1, place.split("/")[0]
        self.github.state["pulls"].append({
            "number": number, "node_id": f"PR_{number}", "state": "open", "title": branch,
            "user": {"login": "ada", "type": "User"}, "body": "", "labels": [],
            "head": {"ref": branch, "label": f"{owner}:{branch}", "sha": sha,
                     "repo": {"full_name": place}},
            "base": {"ref": "main", "repo": {"full_name": NAME}}, "auto_merge": None,
            "html_url": f"{self.github.page()}/pull/{number}",
        })  # fmt: skip
        return number

    def comments(self) -> list[str]:
        return [one["body"] for one in self.github.state["comments"]]

    def statuses(self, sha: str) -> dict[str, str]:
        """By context, what a pull request whose head is the commit counts."""
        found = self.github.state["statuses"]
        return {one["context"]: one["state"] for one in found if one["sha"] == sha}

    def run(
        self, workflow: str, event: str, payload: dict[str, Any] | None = None,
        branch: str = "main", token: str = WRITES, without: tuple[str, ...] = (),
        variables: dict[str, str] | None = None, **extra: str,
    ) -> Ran:  # fmt: skip
        """Run a workflow as the Git host would for an event on a branch."""
        number = str(next(NUMBERS))
        at = self.folder / f"run-{number}"
        at.mkdir()
        payload = payload or {"repository": {"full_name": NAME, "default_branch": "main"}}
        (at / "event.json").write_text(json.dumps(payload))
        here, pull = at / "here", payload.get("pull_request", {})
        sha = payload.get("after") or pull.get("head", {}).get("sha")
        run("git", "clone", "--quiet", str(self.origin), str(here), cwd=at)
        run("git", "fetch", "--quiet", "origin", sha or branch, cwd=here)
        run("git", "checkout", "--quiet", "-B", branch, "FETCH_HEAD", cwd=here)
        path = here / ".github/workflows" / workflow
        path.write_text(without_jobs(path.read_text("utf-8"), without))
        environment = {
            "GITHUB_API_URL": self.github.url, "GITHUB_SERVER_URL": self.github.url,
            "GITHUB_REPOSITORY": NAME, "GITHUB_RUN_ID": number, "GIT_HOST_PATIENCE": "2",
            "ACT_ORIGIN": str(self.origin), "ACT_ARTIFACTS": str(self.folder / "artifacts"),
            "ACT_SUMMARY": str(at / "summary.md"), "ACT_IMPORTED": str(at / "imported"), **extra,
        }  # fmt: skip
        command = [
            "act", event, "--workflows", str(path), "--eventpath", str(at / "event.json"),
            "--defaultbranch", "main",
            "--json", "--no-skip-checkout", "--no-cache-server", "--pull=false",
            "--platform", "ubuntu-latest=-self-hosted", "--action-cache-path", str(at / "act"),
            "--secret", f"GITHUB_TOKEN={token}",
            *(word for pair in environment.items() for word in ("--env", "=".join(pair))),
            *(word for pair in (variables or {}).items() for word in ("--var", "=".join(pair))),
            *action_flags(path),
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=here, env=surroundings(at), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        ran = read_log(done.stdout, done.returncode, path, at)
        own_code(ran, at / "imported")
        self.github.state["runs"].append({
            "id": int(number), "name": path.stem, "event": event, "head_branch": branch,
            "head_sha": run("git", "rev-parse", "HEAD", cwd=here).strip(),
            "jobs": [{"name": name, "conclusion": end} for name, end in ran.jobs.items()],
        })  # fmt: skip
        return ran._replace(event=event)

    def judge(self, ran: Ran, **extra: str) -> Ran:
        """judge.yml, as the end of a run of check.yml starts it."""
        about = next(
            one for one in self.github.state["runs"] if str(one["id"]) == ran.artifacts.name
        )
        page = f"{self.github.page()}/actions/runs/{about['id']}"
        end = "success" if ran.green else "failure"
        payload = {
            "action": "completed",
            "repository": {"full_name": NAME, "default_branch": "main"},
            "workflow": {"name": about["name"], "path": f".github/workflows/{about['name']}.yml"},
            "workflow_run": {
                **{key: about[key] for key in ("id", "event", "head_branch", "head_sha")},
                "conclusion": end, "html_url": page,
            },
        }  # fmt: skip
        return self.run("judge.yml", "workflow_run", payload, **extra)


def without_jobs(text: str, jobs: tuple[str, ...]) -> str:
    """The workflow without some jobs, which another test runs."""
    for job in jobs:
        text, found = re.subn(rf"(?ms)^  {job}:\n.*?(?=^  \w+:\n|\Z)", "", text)
        assert found == 1, job
        text = text.replace(f"needs: [{job}, ", "needs: [")
    return text


def action_flags(workflow: Path) -> Iterator[str]:
    """The flags that give each action a local folder; one that has none is an error."""
    for name, commit in sorted(set(USES.findall(workflow.read_text("utf-8")))):
        assert (SHIMS / name / "action.yml").exists(), f"no folder of tests/act for {name}"
        yield from ("--local-repository", f"{name}@{commit}={SHIMS / name}")


def surroundings(at: Path) -> dict[str, str]:
    """What a runner's machine has: Git, make, uv with its cache, Docker; nobody's settings."""
    tools = at / "tools"
    tools.mkdir()
    for name in ("act", "docker", "kubectl"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    for name, program in (("make", "/usr/bin/make"), ("uv", find_uv_bin())):
        (tools / name).write_text(STEP.format(program=program, imported=shlex.join(IMPORTED)))
        (tools / name).chmod(0o755)
    kept = ("HOME", "TMPDIR", "LANG", "DOCKER_HOST", "TEST_REGISTRY")
    bundles = [name for name in os.environ if name.startswith(("SSL_", "UV_", "PIP_"))]
    return {
        **{name: os.environ[name] for name in (*kept, *bundles) if name in os.environ},
        "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


# Where a project's environment finds the library.
IMPORTED = (".venv/bin/python", "-c", "import mlgitops; print(mlgitops.__file__)")
# What a step runs. act throws the page of a run away with the job; and which code ran is noted.
STEP = """#!/bin/sh
[ -z "$ACT_STEP" ] || exec {program} "$@"
ACT_STEP=1 {program} "$@"
code=$?
[ ! -e "$GITHUB_STEP_SUMMARY" ] || cat "$GITHUB_STEP_SUMMARY" >>"$ACT_SUMMARY"
[ ! -x .venv/bin/python ] || echo "$PWD $({imported})" >>"$ACT_IMPORTED"
exit $code
"""


def inside(project: Path, imported: str) -> None:
    """Assert that the library is imported from the project's own vendor/."""
    assert Path(imported.strip()).is_relative_to(project / "vendor/mlgitops"), (project, imported)


def own_code(ran: Ran, notes: Path) -> None:
    """Assert that the jobs of a run imported the library of their own checkout."""
    lines = notes.read_text("utf-8").splitlines() if notes.exists() else []
    for line in lines:
        checkout, _, imported = line.partition(" ")
        if imported:  # else the environment could not be made, and nothing ran
            inside(Path(checkout), imported)
    assert lines or not ran.jobs or not ran.green, ran.said


def read_log(output: str, code: int, workflow: Path, at: Path) -> Ran:
    """What act's log says; a job that has no end, or that act left out, is an error."""
    jobs: dict[str, str] = {}
    words = []
    for line in output.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"msg": line}
        words.append(f"[{entry.get('jobID', '')}] {entry.get('msg', '')}".rstrip())
        if entry.get("jobResult"):
            jobs[entry["jobID"]] = entry["jobResult"]
    said = COLOUR.sub("", "\n".join(words))  # act gives a step a terminal
    assert "Skipping unsupported platform" not in said, said
    wanted = set(re.findall(r"(?m)^  (\w+):\n    name: ", workflow.read_text("utf-8")))
    maybe = set(
        re.findall(r"(?m)^  (\w+):\n    name: \w+\n    (?:needs|if): ", workflow.read_text("utf-8"))
    )
    assert wanted - maybe <= set(jobs) <= wanted, (jobs, said)
    assert (code == 0) is (set(jobs.values()) <= {"success"}), said
    page = at / "summary.md"
    number = at.name.removeprefix("run-")
    return Ran(jobs, said, page.read_text("utf-8") if page.exists() else "",
               at.parent / "artifacts" / number)  # fmt: skip
