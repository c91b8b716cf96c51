"""`mlgitops ci comment`: one comment on a pull request, updated in place."""

import os
import re
from typing import Annotated, Any

import typer

from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.git import lineage
from mlgitops.github import client
from mlgitops.github.approvals import pull_of
from mlgitops.github.client import GitHost
from mlgitops.github.options import Body, Head, Url
from mlgitops.github.waiting import Refused

MARKER = re.compile(r"<!-- [\w -]+ -->")
NO_PULL = "no pull request is open: no comment"
ACTIONS = "gitea-actions"  # who Gitea says a workflow is
NONE = (
    f"{job_output.MARKER}\n## ❌ No report\n\nThe job judge ended without a report: {{url}}\n\n"
    "It ran out of time, or somebody cancelled it.\n"
)


def comment(
    body: Body,
    number: Annotated[
        str, typer.Option(envvar="NUMBER", help="The pull request; else the event's.")
    ] = "",
    head: Head = "",
    url: Url = "",
) -> None:
    """Write the text to the page of the run, and to the one comment with its marker.

    A text about another commit than the newest of the pull request stays on the page. Where a job
    left no report, the text names the page of the run: an older report must not stand there as if
    it were this run's.
    """
    about = client.sha(head) if head else ""
    text = client.body(body) if not url or os.path.lexists(body) else NONE.format(url=url)
    marker = text.partition("\n")[0].strip()
    if not MARKER.fullmatch(marker):
        raise UserError(f"{body}: the first line must be a marker, as in {job_output.MARKER}")
    client.summary(text)
    there = client.connect()
    try:
        pull = pull_number(there, number, about)
        print(comment_if_newest(there, pull, about, text) if pull else NO_PULL)
    except Refused as error:
        if error.status not in (401, 403):
            raise
        print(f"no comment, as this token may only read: {error.words}")


def comment_if_newest(there: GitHost, number: int, about: str, text: str) -> str:
    """Comment, but for a text about another commit than the newest; what was done, in a line."""
    newest = newest_of(there, number) if about else about
    if newest != about:
        line = newer_run(number, newest, about)
        client.page(f"\n{line}")
        return line
    return put_comment(there, number, text)


def pull_number(there: GitHost, number: str, head: str = "") -> int | None:
    """NUMBER, else the event's pull request, else the open one of the head, or of this branch."""
    if number:
        if not number.isdecimal():
            raise UserError(f"NUMBER={number!r} is not the number of a pull request")
        return int(number)
    event = client.event()
    issue = event.get("issue") or {}
    pull = event.get("pull_request") or (issue if "pull_request" in issue else None)
    if pull:
        return int(pull["number"])
    found = pull_of(there, head) if head else None
    # The head may have moved on; Gitea names no branch of a pull request's run.
    ended = event.get("workflow_run") or {}
    branch = ended.get("head_branch") if ended else branch_here()
    found = found or (there.pull(branch) if branch else None)
    return int(found["number"]) if found else None


def branch_here() -> str:
    """The branch that a workflow runs on, else the one that is checked out."""
    there = os.environ.get("GITHUB_HEAD_REF") or os.environ.get("GITHUB_REF_NAME")
    return there or lineage.current()


def newest_of(there: GitHost, number: int) -> str:
    """The head of a pull request as it is now, whatever the event said."""
    return str(there.get(f"/pulls/{number}")["head"]["sha"])


def newer_run(number: int, newest: str, about: str) -> str:
    """Why an older run leaves the comment as it is."""
    return (
        f"no comment: #{number} is at {newest[:7]} by now, and this is about {about[:7]}; "
        "the check of the newest commit comments"
    )


def put_comment(there: GitHost, number: int, text: str) -> str:
    """Update the comment that has the marker of the text, or make it; what was done."""
    marker = text.partition("\n")[0].strip()
    own, *more = ours(there, number, marker) or [None]
    for one in more:  # A request that was cut off may have made a second one.
        there.delete(f"/issues/comments/{one['id']}")
    if own is None:
        there.post(f"/issues/{number}/comments", {"body": text})
        return f"commented on #{number}"
    if own["body"].strip() == text.strip():
        return f"the comment on #{number} is up to date"
    there.patch(f"/issues/comments/{own['id']}", {"body": text})
    return f"updated the comment on #{number}"


def ours(there: GitHost, number: int, marker: str) -> list[Any]:
    """The comments that begin with the marker and are a bot's or the token's own.

    A person's is not: whoever wrote a comment can change it after us.
    """
    me = login(there)
    return [
        one
        for one in there.pages(f"/issues/{number}/comments")
        if (one["body"] or "").partition("\n")[0].strip() == marker
        and (one["user"].get("type") == "Bot" or one["user"]["login"] in (me, ACTIONS))
    ]


def login(there: GitHost) -> str:
    """Whose the token is; "" where the Git host does not tell a workflow."""
    try:
        return str(there.get("//user")["login"])
    except Refused:
        return ""
