"""`mlgitops ci checkrun`: the run of check.yml that has ended, for the steps that follow.

On GitHub the event names it. Gitea sends no event when a run that a workflow dispatched has ended:
there the workflow that dispatched it dispatches the judge too, which waits for it here.
"""

import os
import time
from typing import Annotated, Any

import typer

from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.github import client
from mlgitops.github.client import GitHost
from mlgitops.github.options import Head

CHECK, JUDGE = "check.yml", "judge.yml"
PAUSE = 10.0  # seconds between two looks
LONGEST = 350 * 60  # seconds; what a job of check.yml may take


def checkrun(
    head: Head,
    run: Annotated[str, typer.Option(envvar="RUN", help="Its number, if the event names it.")] = "",
) -> None:
    """Wait until the check of HEAD has ended; tell its run and the head to later steps."""
    sha = client.sha(head)
    number = run if run.isdecimal() else str(wait(client.connect(), sha)["id"])
    job_output.tell(head=sha, run=number)
    print(f"the check of {sha[:7]} has ended: run {number}")


def wait(there: GitHost, head: str) -> Any:
    """The newest run of check.yml on a commit, once it has ended."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        found = newest_run(there, head)
        if found and found["status"] == "completed":
            return found
        time.sleep(PAUSE)
    raise UserError(f"the check of {head[:7]} has not ended within {LONGEST // 60} minutes")


def newest_run(there: GitHost, head: str) -> Any:
    """The newest run of check.yml on a commit; None if there is none yet."""
    runs = there.pages("/actions/runs", key="workflow_runs", head_sha=head)
    mine = [
        one
        for one in runs
        if one["head_sha"] == head and one["path"].partition("@")[0].rpartition("/")[2] == CHECK
    ]
    return max(mine, key=lambda one: one["id"], default=None)


def start_check(there: GitHost, branch: str, head: str, again: bool = False) -> None:
    """Check a commit of a branch, which no push or event of a workflow's own token does."""
    if not again and there.has_dispatch(CHECK, head):
        return
    there.dispatch(CHECK, branch)
    if os.environ.get("GITEA_ACTIONS") == "true":
        there.dispatch(JUDGE, there.facts["default_branch"], head=head)
