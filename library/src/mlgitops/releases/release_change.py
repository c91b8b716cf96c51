"""What a change writes into the release.env of an environment, held to what the commands write.

This checkout is the default branch's. A digest that main never had is known by the labels of its
image, which another step asks the registry for, since it has a token.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.releases.release import label_problems
from mlgitops.releases.release_env import EMPTY, ENVIRONMENTS, STAGING, Release


class ReleaseChange(NamedTuple):
    """What cannot be merged, and what an owner has to look at, a line each."""

    refused: list[str]
    doubts: list[str]


# By image, what its labels say, or why they are not known.
Labels = Mapping[str, Mapping[str, str] | str]
NOT_ASKED = "its registry was not asked"


def changes(base: str, head: str) -> dict[str, str]:
    """By environment, the text that a change writes; "" where the file is gone."""
    start = repository.fork(base, head)
    found = {}
    for environment in ENVIRONMENTS:
        old, new = (release_env.file_text(environment, commit) for commit in (start, head))
        if old != new:
            found[environment] = new or ""
    return found


def new_images(base: str, head: str) -> list[str]:
    """The images that staging would run, and never did; production gets only what staging had."""
    text = changes(base, head).get(STAGING, "")
    release = read(text)
    return [release.image] if release and not release_env.ran(STAGING, text) else []


def read(text: str) -> Release | None:
    """A release; None if nothing is released, or if it is not in form."""
    try:
        return release_env.parse(text)
    except UserError:
        return None


def check(base: str, head: str, labels: Labels) -> ReleaseChange:
    """Hold each file that a change alters to what the commands write."""
    found = ReleaseChange([], [])
    for environment, text in changes(base, head).items():
        place = release_env.path(environment)
        if text in ("", EMPTY):
            found.doubts.append(f"{place}: nothing would run in {environment} any more")
            continue
        refused = release_env.text_problems(environment, text)
        release = None if refused else read(text)
        if release and not release_env.ran(environment, text):
            refused += backward(environment, release)
            if environment == STAGING and not refused:
                wrong, doubt = doubts_of(release, labels.get(release.image, NOT_ASKED))
                refused += wrong
                found.doubts.extend(f"{place}: {one}" for one in doubt)
        found.refused.extend(f"{place}: {one}" for one in refused)
    return found


def backward(environment: str, new: Release) -> list[str]:
    """What is said where a release that never ran is of an older commit than what runs."""
    runs = release_env.read(environment, repository.mainline())
    if not runs or runs.commit == new.commit or not repository.within(new.commit, runs.commit):
        return []
    return [
        f"COMMIT {new.commit[:7]} is older than {runs.commit[:7]}, which runs, and {environment} "
        "never ran this image of it: make rollback goes back"
    ]


def doubts_of(new: Release, labels: Mapping[str, str] | str) -> tuple[list[str], list[str]]:
    """What the labels of an image deny, and what they leave open."""
    if isinstance(labels, str):
        return [], [f"nothing proves what {new.image} was built from: {labels}"]
    return label_problems(labels, new), []
