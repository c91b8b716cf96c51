"""`mlgitops ci propose`: what changed here becomes one pull request on a fixed branch."""

from typing import Annotated, Any

import typer

from mlgitops.core.errors import UserError
from mlgitops.git import commits, repository
from mlgitops.git.commits import git
from mlgitops.github import client
from mlgitops.github.checkrun import start_check
from mlgitops.github.client import GitHost
from mlgitops.github.options import Body, Branch
from mlgitops.github.waiting import Refused

PREFIX = "bot/"
SETTING = "Settings > Actions > General > Allow GitHub Actions to create and approve pull requests"
FORBIDDEN = "not permitted to create or approve pull requests"
ON_TOP = 20  # commits that others may have put on a proposal, of which it is still found
LONGEST_TITLE = 200  # characters; GitHub takes 256


def propose(
    branch: Branch,
    title: Annotated[
        str, typer.Option(envvar="TITLE", help="Title of the pull request, subject of the commit.")
    ],
    body: Body,
    labels: Annotated[
        str, typer.Option(envvar="LABELS", help="Labels to add, with commas between.")
    ] = "",
    auto: Annotated[
        bool, typer.Option("--auto", envvar="AUTO", help="Merge it once its checks pass.")
    ] = False,
) -> None:
    """Make everything that changed here one pull request, or update the one that is open.

    The name of its branch, which is always the same, starts with bot/.
    """
    check(branch, title)
    text, names = client.body(body), [name.strip() for name in labels.split(",") if name.strip()]
    there, head = client.connect(), repository.head()
    tree = commits.working_tree()
    if tree == commits.tree(head):
        print(obsolete(there, branch, head))
        return
    sha, pushed = push_proposal(branch, title, tree, head)
    try:
        pull, created = open_or_update(there, branch, title, text)
    except Refused as error:
        if FORBIDDEN not in error.words:
            raise
        client.summary(by_hand(there, branch, title))
        return
    print(f"{'opened' if created else 'updated' if pushed else 'up to date'}: {pull['html_url']}")
    label(there, pull, names)
    if auto:
        automerge(there, pull)
    start_check(there, branch, sha, again=pushed)


def check(branch: str, title: str) -> None:
    """Refuse a branch that people use and a title that cannot be a subject."""
    commits.branch(branch)
    if not branch.removeprefix(PREFIX) or not branch.startswith(PREFIX):
        raise UserError(f"BRANCH={branch!r}: a proposal's branch starts with {PREFIX}")
    if not title.strip() or not title.isprintable() or len(title) > LONGEST_TITLE:
        raise UserError(f"TITLE: one line of up to {LONGEST_TITLE} characters is needed")


def push_proposal(branch: str, title: str, tree: str, head: str) -> tuple[str, bool]:
    """The commit of the branch, and whether it had to be pushed."""
    there = commits.remote_head(branch)
    line = git("rev-list", f"--max-count={ON_TOP}", there, f"^{head}").split() if there else []
    for sha in line:  # Others may have put their commits on top of it.
        if commits.tree(sha) == tree and repository.commit(f"{sha}^") == head:
            print(f"{branch} has this already: {sha[:7]}")
            return there or sha, False
    sha = commits.commit(tree, head, title)
    commits.push(sha, branch, there)
    print(f"pushed {branch}: {sha[:7]}" + (f", instead of {there[:7]}" if there else ""))
    return sha, True


def open_or_update(there: GitHost, branch: str, title: str, text: str) -> tuple[Any, bool]:
    """The open pull request of the branch as it should be, and whether it is new."""
    wanted = {"title": title, "body": text}
    pull = there.pull(branch)
    if pull is None:
        new = {**wanted, "head": branch, "base": there.facts["default_branch"]}
        try:
            return there.post("/pulls", new), True
        except Refused as error:
            # A request that was cut off may have opened it all the same.
            if error.status not in (409, 422) or not (pull := there.pull(branch)):
                raise
    if any((pull.get(name) or "") != value for name, value in wanted.items()):
        pull = there.patch(f"/pulls/{pull['number']}", wanted)
    return pull, False


def label(there: GitHost, pull: Any, names: list[str]) -> None:
    """Add the labels that the pull request lacks; what is not allowed is said."""
    lacking = [name for name in names if name not in {one["name"] for one in pull["labels"]}]
    if not lacking:
        return
    try:
        there.post(f"/issues/{pull['number']}/labels", {"labels": lacking})
    except Refused as error:
        print(f"without the labels {', '.join(lacking)}: {error}")


def automerge(there: GitHost, pull: Any) -> None:
    """Ask for the merge once the checks pass; where a Git host cannot, say so."""
    try:
        there.automerge(pull)
        print("it merges itself once its checks pass")
    except Refused as error:
        print(f"it does not merge itself, a person has to: {error}")


def by_hand(there: GitHost, branch: str, title: str) -> str:
    """What to do where the settings forbid a workflow to open pull requests."""
    page, base = there.facts["html_url"], there.facts["default_branch"]
    return (
        f"**{title}**: the change is on the branch `{branch}`, but the settings do not let a "
        f"workflow open a pull request.\n\n- [Open it yourself]({page}/compare/{base}...{branch}"
        f"?expand=1)\n- or allow it ([{SETTING}]({page}/settings/actions), or `make doctor FIX=1` "
        "on a laptop) and run the workflow again\n"
    )


def obsolete(there: GitHost, branch: str, head: str) -> str:
    """What is said, and done to an older proposal, where nothing changed."""
    pull = there.pull(branch)
    if pull is None:
        return "nothing changed: nothing to propose"
    base = there.facts["default_branch"]
    if commits.remote_head(base) != head:
        return f"nothing changed, but this is not the newest {base}: {pull['html_url']} stays open"
    text = f"`{base}` has what this would change: there is nothing left to propose.\n"
    there.post(f"/issues/{pull['number']}/comments", {"body": text})
    there.patch(f"/pulls/{pull['number']}", {"state": "closed", "body": text})
    return f"nothing changed: {pull['html_url']} is closed, {base} needs no change"
