"""Whether an owner has approved the head of a pull request.

Whose approval counts stands in CODEOWNERS, at gate.yaml; how it is given, in gate.yaml.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.github.client import GitHost

OWNERS = Path(".github/CODEOWNERS")
LINE = re.compile(r"^/gate\.yaml\s+(.+)$", re.M)
# How the host says that a person belongs to the repository: for a team, whose members it hides.
INSIDERS = ("OWNER", "MEMBER", "COLLABORATOR")
COMMENT = re.compile(r"/approve ([0-9a-f]{7,40})\s*")


class Approve(config.Rule):
    """How an owner approves: by a review, or, where nobody else is there, by a comment."""

    by: Literal["review", "comment"] = "review"


def owners() -> list[str]:
    """The people (ada) and teams (acme/approvers) that own gate.yaml; a UserError if none does."""
    try:
        found = LINE.findall(OWNERS.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{OWNERS} cannot be read ({error.strerror})") from None
    names = [word[1:].lower() for line in found for word in line.split() if word.startswith("@")]
    if not names:
        raise UserError(f"{OWNERS}: /gate.yaml has no owner")
    return names


def approver(there: GitHost, pull: Any) -> str | None:
    """The owner who has approved the newest head of a pull request; None if nobody has."""
    head, number = pull["head"]["sha"], pull["number"]
    by = load().by
    found = reviewers(there, number, head) if by == "review" else commenters(there, number, head)
    known = owners()
    for person, association in found:
        if person.lower() in known:
            return person
        if association in INSIDERS and any("/" in name for name in known):
            return person
    return None


def load() -> Approve:
    """How an owner approves in this project; by a review where gate.yaml does not say."""
    return config.load_optional(Approve)


def reviewers(there: GitHost, number: int, head: str) -> Iterator[tuple[str, str]]:
    """Who approves the head by their newest review, each with their association."""
    newest: dict[str, Any] = {}
    for one in there.pages(f"/pulls/{number}/reviews"):  # the oldest first
        # A remark takes nothing back; a dismissal does.
        if str(one.get("state")).upper() not in ("COMMENTED", "COMMENT", "PENDING"):
            newest[one["user"]["login"]] = one
    for person, one in newest.items():
        approves = str(one["state"]).upper() == "APPROVED" and not one.get("dismissed")
        if approves and one.get("commit_id") == head and not one.get("stale"):
            yield person, str(one.get("author_association") or "")


def commenters(there: GitHost, number: int, head: str) -> Iterator[tuple[str, str]]:
    """Who wrote `/approve` and the beginning of the head's sha."""
    for one in there.pages(f"/issues/{number}/comments"):
        found = COMMENT.fullmatch((one["body"] or "").strip())
        if found and head.startswith(found[1]):
            yield one["user"]["login"], str(one.get("author_association") or "")


def pull_of(there: GitHost, head: str) -> Any:
    """The open pull request with this head, a fork's too; None if there is none."""
    return next(
        (one for one in there.pages("/pulls", state="open") if one["head"]["sha"] == head), None
    )
