"""`make gc`: what nothing needs any more leaves the store, shown first and only then removed."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mlgitops.core.errors import UserError, join_names
from mlgitops.git import commits, repository
from mlgitops.git.runner import Failed, run
from mlgitops.stores import reach
from mlgitops.stores.expected import EVERYTHING, FOLDER, contents, expect, mentions
from mlgitops.stores.objects import Entry, Place, Store, each, here
from mlgitops.stores.store import amount

DAY = 86400
SHOWN = 20
RELEASES = ":(glob)deploy/*/release.env"
COMMIT = re.compile(r"^COMMIT=([0-9a-f]{40,64})$", re.M)
HASHES = re.compile(r"^(?:MODEL|DATA)=([0-9a-f]{32}(?:\.dir)?)$", re.M)


def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Remove them.")] = False,
    days: Annotated[int, typer.Option(min=1, help="Younger objects stay.")] = 30,
) -> None:
    """Show, or remove, the objects that no branch, tag, stash, experiment or release needs.

    An object may be there before its commit: what is younger stays, and what Git has in store/.
    """
    refresh(apply)
    with here() as place:
        reach.check(place.store)
        with reach.explain(place.store):
            there = place.store.entries()
            removable = candidates(place, there, days)
            if apply:
                remove(place, removable)
    for one in sorted(removable)[:SHOWN]:
        print(f"{'removed' if apply else 'to go'}  {one}  {amount([there[one]])}")
    total = amount(there[one] for one in removable)
    more = "" if apply or not removable else ". make gc APPLY=1 removes them"
    print(
        f"{len(removable)} objects, {total}, {'are gone' if apply else 'may go'}; "
        f"{len(there) - len(removable)} stay{more}"
    )


def refresh(apply: bool) -> None:
    """Get all branches and tags that others have: their commits need objects, too."""
    if repository.shallow():
        raise UserError("this clone has only new commits, and needs all: git fetch --unshallow")
    if not repository.git("remote"):
        return
    try:
        commits.git("fetch", "--quiet", "--all", "--tags", "--force")
    except Failed as error:
        if apply:
            raise UserError(
                f"what others pushed cannot be fetched, and may need objects: {error}"
            ) from None
        print("origin does not answer: commits that others pushed since are not counted")


def candidates(place: Place, there: dict[str, Entry], days: int) -> list[str]:
    """The objects that nothing needs and that are old enough; none that Git itself keeps."""
    keep = names_to_keep(place)
    if place.store.is_folder:
        tracked = set(names_in_git(place.store))
        return [one for one in there if one not in keep | tracked]
    latest = time.time() - days * DAY
    return [one for one, entry in there.items() if one not in keep and entry.when < latest]


def names_to_keep(place: Place) -> set[str]:
    """Every object that something here or in Git's history names, and all files of its folders."""
    blobs = run("log", "--all", "-m", "--raw", "--no-abbrev", "--format=", "--", RELEASES).decode()
    texts = "\n".join(contents(set(re.findall(r" ([0-9a-f]{40,64}) [AM]\t", blobs))).values())
    releases = [one for one in COMMIT.findall(texts) if repository.commit(one)]
    revisions = (*EVERYTHING, *releases)
    wanted = expect(revisions, place.read)
    if wanted.unread:
        raise UserError(
            f"which files these folders have cannot be read: {join_names(wanted.unread.values())}. "
            "So nothing is known to be needless: make store"
        )
    keep = {*wanted.objects, *mentions(revisions), *HASHES.findall(texts)}
    for listing in [one for one in keep if one.endswith(FOLDER) and one not in wanted.objects]:
        keep |= set(re.findall(r'"md5": ?"([0-9a-f]{32})"', (place.read(listing) or b"").decode()))
    return keep


def names_in_git(store: Store) -> Iterator[str]:
    """The objects of a folder that Git has: to remove them frees nothing, as its history stays."""
    folder = Path(store.path)
    if repository.git("-C", str(folder), "rev-parse") is None:
        return
    for name in (repository.git("-C", str(folder), "ls-files", "-z") or "").split("\0"):
        yield name.replace("/", "")


def remove(place: Place, names: list[str]) -> None:
    """Remove objects, folders' listings first, and what DVC remembers of the store."""
    from dvc_data.hashfile.db import get_index

    for group in (True, False):
        each("removing", place.store.remove, [n for n in names if n.endswith(FOLDER) is group])
    get_index(place.repo.cloud.get_remote_odb()).clear()
