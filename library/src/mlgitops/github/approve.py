"""`mlgitops ci approve`: whether a pull request that needs an approval has it by now."""

from typing import Annotated

import typer

from mlgitops.core.job_output import WAITS
from mlgitops.github import approvals, client
from mlgitops.github.options import Head
from mlgitops.github.statuses import APPROVED, GATE, approval_status, newest, write_statuses


def approve(
    head: Head = "",
    number: Annotated[
        str, typer.Option(envvar="NUMBER", help="The pull request; else that of HEAD.")
    ] = "",
) -> None:
    """Write the status `gate` again where it waits for an approval, or rests on one."""
    there = client.connect()
    if number.isdecimal():
        pull = there.get(f"/pulls/{number}")
    else:
        pull = approvals.pull_of(there, client.sha(head))
    if pull is None:
        print("no pull request has this head by now: nothing to approve")
        return
    sha = pull["head"]["sha"]
    _, words = newest(there, sha).get(GATE, ("", ""))
    if not words.startswith((WAITS, APPROVED)):
        print(f"{sha[:7]} waits for no approval: {words or 'it is not judged yet'}")
        return
    write_statuses(there, sha, [approval_status(there, sha, words.partition(": ")[2])], "")
