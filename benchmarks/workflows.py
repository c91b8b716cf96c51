"""`make bench ONLY=workflows`: how long a change waits for its check, and a merge for its release.

act runs the generated workflows on the sample, all of their jobs on this machine. Each job makes
its environment; warm and cold are uv's cache. A release needs BUILDER and TEST_REGISTRY as
.ci/docker sets them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import PROJECT, ROOT, ready, row

sys.path.insert(0, str(ROOT / "tests/fixtures"))
sys.path.insert(0, str(ROOT / "tests"))
from workflows import NAME, Lab, Ran

REGISTRY = os.environ.get("TEST_REGISTRY") or "localhost:5000"


def time_run(ran: Callable[[], Ran]) -> float:
    """Seconds of a run, of which every job must succeed."""
    started = time.perf_counter()
    found = ran()
    if not found.green:
        raise SystemExit(f"{found.jobs}\n{found.said[-4000:]}")
    return time.perf_counter() - started


def words(lab: Lab) -> dict[str, object]:
    """A pull request that changes nothing to train."""
    lab.branch("words")
    lab.edit("README.md", "## Start", "## How to start")
    lab.push("Say it better")
    return lab.opened("words")


def rate(lab: Lab, value: str) -> dict[str, object]:
    """A pull request that has to be trained."""
    lab.branch(f"rate-{value}")
    lab.edit("params.yaml", "learning_rate: 0.1", f"learning_rate: {value}")
    lab.push("Learn otherwise")
    return lab.opened(f"rate-{value}")


def check(lab: Lab, event: dict[str, object], **extra: str) -> float:
    """Seconds of all jobs of check.yml."""
    branch = event["pull_request"]["head"]["ref"]
    return time_run(lambda: lab.run("check.yml", "pull_request", event, branch, **extra))


def release(lab: Lab) -> float:
    """Seconds of release.yml."""
    payload = {"repository": {"full_name": NAME, "default_branch": "main", "visibility": "public"}}
    given = {name: os.environ[name] for name in ("BASE", "BUILDER") if os.environ.get(name)}
    variables = {"REGISTRY": REGISTRY}
    return time_run(lambda: lab.run("release.yml", "push", payload, variables=variables, **given))


def main() -> None:
    """Measure each, cold first."""
    ready()
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    for command in (["add", "--all"], [*who, "commit", "--quiet", "--no-verify", "-m", "Start"]):
        subprocess.run(["git", *command], cwd=PROJECT, check=True)
    with TemporaryDirectory() as folder:
        measure(Path(folder))


def measure(folder: Path) -> None:
    """The table."""
    lab = Lab(PROJECT, folder)
    with lab.github:
        event = words(lab)
        cold = check(lab, event, UV_CACHE_DIR=str(folder / "cache"))
        row("check, nothing to train, uv's cache empty", f"{cold:.0f} s", "≤ 60 s")
        row("the same, warm", f"{check(lab, event):.0f} s", "≤ 30 s")
        row("check, one parameter, warm", f"{check(lab, rate(lab, '0.3')):.0f} s", "≤ 90 s")
        row("release, no layer there", f"{release(lab):.0f} s", "shown")
        row("release again", f"{release(lab):.0f} s", "≤ 120 s")


if __name__ == "__main__":
    main()
