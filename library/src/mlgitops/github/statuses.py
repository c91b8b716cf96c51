"""`mlgitops ci statuses`: how the jobs of a dispatched run ended, as statuses of its commit.

A pull request counts the check runs of its own events and of pushes, and every status of its head.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from mlgitops.core.errors import UserError, join_names
from mlgitops.github import client
from mlgitops.github.client import GitHost
from mlgitops.github.options import Head, Url
from mlgitops.github.settings import RULESET, read

LONGEST = 140  # characters of a description; GitHub takes no more
Results = dict[str, str]


def statuses(
    head: Head,
    results: Annotated[
        str, typer.Option(envvar="RESULTS", help="GitHub's `needs`, as JSON: each job's result.")
    ],
    url: Url = "",
) -> None:
    """Give the commit a status for each check that main requires: success, or failure."""
    commit, ends = client.sha(head), job_ends(results)
    wanted = [name for name in main_checks() if name in ends]
    if not wanted:
        raise UserError(
            f"RESULTS has none of the checks that {RULESET} requires: {join_names(ends)}"
        )
    there = client.connect()
    known = newest(there, commit)
    for name in wanted:
        status = status_of(name, ends[name], url)
        if known.get(name) != (status["state"], url):
            there.post(f"/statuses/{commit}", status)
        print(f"{name}: {status['state']} on {commit[:7]}")


def job_ends(results: str) -> Results:
    """How each job ended, by its name; a UserError where that is not what was given."""
    try:
        return {str(name): str(job["result"]) for name, job in json.loads(results).items()}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise UserError('RESULTS must be as in {"check": {"result": "success"}}') from None


def main_checks() -> Iterator[str]:
    """The checks without which nothing is merged to main."""
    for rule in read(RULESET)["rules"]:
        for one in (rule.get("parameters") or {}).get("required_status_checks", ()):
            yield one["context"]


def newest(there: GitHost, head: str) -> dict[str, tuple[str, str]]:
    """State and page of the newest status of each context that the commit has."""
    found: dict[str, tuple[str, str]] = {}
    for one in there.pages(f"/commits/{head}/statuses"):  # the newest first
        state = one.get("state") or one.get("status")  # Gitea's word
        found.setdefault(one["context"], (state, one.get("target_url") or ""))
    return found


def status_of(name: str, result: str, url: str) -> dict[str, Any]:
    """The status of a job: only `success` is one, so skipped or cancelled is a failure."""
    return {
        "context": name,
        "state": "success" if result == "success" else "failure",
        "description": f"its job in a dispatched run: {result}"[:LONGEST],
        "target_url": url or None,
    }
