"""`mlgitops ci statuses`: the verdict on a change as statuses of its head.

A pull request counts the check runs of its own events, and every status of its head. The verdict
comes from a workflow of the default branch, and a dispatched run is no event of a pull request: for
both a status is written.
"""

import json
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from mlgitops.core import job_output
from mlgitops.core.job_output import RULES_CHANGED, WAITS
from mlgitops.github import approvals, client
from mlgitops.github.client import DISPATCH, GitHost
from mlgitops.github.options import Head, Url
from mlgitops.github.pull_request import label
from mlgitops.github.settings import RULESET, read

LONGEST = 140  # characters of a description; GitHub takes no more
GATE = "gate"
APPROVED = "approved by"
NONE = "refused: the check left no verdict"


def statuses(
    head: Head,
    run: Annotated[str, typer.Option(envvar="RUN", help="The number of the check's run.")] = "",
    url: Url = "",
    labels: Annotated[
        str, typer.Option(envvar="LABELS", help="The label of a change that alters rules.")
    ] = "",
) -> None:
    """Give the head a status for the verdict, and one for each job of a dispatched run."""
    commit, there = client.sha(head), client.connect()
    wanted = [gate_status(there, commit)]
    wanted += [job_status(*one) for one in job_ends(there, run)]
    write_statuses(there, commit, wanted, url)
    if labels and RULES_CHANGED in wanted[0]["description"]:
        pull = approvals.pull_of(there, commit)
        label(there, pull, [labels]) if pull else None


def gate_status(there: GitHost, head: str) -> dict[str, Any]:
    """The verdict in verdict/ as a status; refused where there is none of this head."""
    try:
        found = json.loads((job_output.JUDGED / "verdict.json").read_bytes())
        state, reasons = str(found["state"]), [str(one) for one in found["reasons"]]
        whole = found["head"] == head and state in ("passed", "refused", WAITS)
    except (OSError, ValueError, KeyError, TypeError):
        whole, state, reasons = False, "", []
    if not whole:
        return status(GATE, "failure", NONE)
    if state == WAITS:
        return approval_status(there, head, join(reasons))
    words = f"refused: {join(reasons)}" if reasons else "within every limit"
    return status(GATE, "success" if state == "passed" else "failure", words)


def join(reasons: list[str]) -> str:
    """Reasons on one line that no runner takes for a command."""
    return client.escape_commands("; ".join(reasons))


def approval_status(there: GitHost, head: str, reasons: str) -> dict[str, Any]:
    """What needs an approval: green once an owner has approved this head."""
    pull = approvals.pull_of(there, head)
    person = approvals.approver(there, pull) if pull else None
    if person:
        return status(GATE, "success", f"{APPROVED} {person}: {reasons}")
    return status(GATE, "failure", f"{WAITS}: {reasons}")


def job_ends(there: GitHost, run: str) -> Iterator[tuple[str, str]]:
    """The required jobs of a dispatched run, and how each ended; none of another run."""
    if not run.isdecimal():
        return
    about = there.get(f"/actions/runs/{run}")
    if about.get("event") != DISPATCH:
        return
    ends = {one["name"]: one.get("conclusion") for one in there.pages(
        f"/actions/runs/{run}/jobs", key="jobs")}  # fmt: skip
    for name in main_checks():
        if name != GATE:
            yield name, str(ends.get(name) or "missing")


def job_status(name: str, result: str) -> dict[str, Any]:
    """The status of a job: only `success` is one, so skipped or cancelled is a failure."""
    state = "success" if result == "success" else "failure"
    return status(context_of(name), state, f"its job in a dispatched run: {result}")


def context_of(name: str) -> str:
    """What a pull request's own run calls a job: Gitea says the workflow and the event too."""
    gitea = os.environ.get("GITEA_ACTIONS") == "true"
    return f"check / {name} (pull_request)" if gitea else name


def status(context: str, state: str, words: str) -> dict[str, Any]:
    """A status as the Git host takes it."""
    return {"context": context, "state": state, "description": words[:LONGEST]}


def write_statuses(there: GitHost, head: str, wanted: list[dict[str, Any]], url: str) -> None:
    """Write the statuses that the commit does not have yet."""
    known = newest(there, head)
    for one in wanted:
        key = (one["state"], one["description"])
        if known.get(one["context"]) != key:
            there.post(f"/statuses/{head}", one | {"target_url": url or None})
        print(f"{one['context']}: {one['state']} on {head[:7]} ({one['description']})")


def newest(there: GitHost, head: str) -> dict[str, tuple[str, str]]:
    """State and description of the newest status of each context that the commit has."""
    found: dict[str, tuple[str, str]] = {}
    for one in there.pages(f"/commits/{head}/statuses"):  # the newest first
        state = one.get("state") or one.get("status")  # Gitea's word
        found.setdefault(one["context"], (state, one.get("description") or ""))
    return found


def main_checks() -> Iterator[str]:
    """The checks without which nothing is merged to main."""
    for rule in read(RULESET)["rules"]:
        for one in (rule.get("parameters") or {}).get("required_status_checks", ()):
            yield one["context"]
