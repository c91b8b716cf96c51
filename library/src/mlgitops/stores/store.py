"""`make store`: where the objects are, and whether all are there that Git expects; moving them."""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import typer

from mlgitops.core.errors import UserError, join_names
from mlgitops.git import repository
from mlgitops.stores import move, reach
from mlgitops.stores.expected import SHARED, expect
from mlgitops.stores.objects import Entry, Place, each, here
from mlgitops.stores.transfer import send

READ = 10**9  # bytes of a bucket that are read again without being asked to
AGAIN = "make store FIX=1 sends them from here"
ADVICE = {
    "missing": "dvc push --all-commits, where somebody still has them",
    "unpushed": AGAIN,
    "corrupted": f"{AGAIN}, if it has them; else on a machine that does",
}
UNITS = ("bytes", "kB", "MB", "GB", "TB")


class State(NamedTuple):
    """What a store has, what Git expects of it with where, and what is wrong."""

    there: dict[str, Entry]
    wanted: dict[str, str]
    missing: list[str]
    unpushed: list[str]
    corrupted: list[str]
    verified: bool


def store(
    url: Annotated[str, typer.Option(help="azure://container/prefix, s3://…, gs://…, git")] = "",
    account: Annotated[
        str, typer.Option(envvar="AZURE_STORAGE_ACCOUNT", help="the storage account of Azure")
    ] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Read every object again.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Send again what the cache here has.")] = False,
) -> None:
    """Say what the store has and lacks; with a URL, move everything there and switch."""
    with here() as place:
        reach.check(place.store)
        if url:
            say_move(place, url, account)
            return
        with reach.explain(place.store):
            found = state(place, verify)
            if fix:
                send(place, [*found.unpushed, *found.corrupted])
                found = state(place, verify)
    print("\n".join(lines(place, found)))
    if found.missing or found.unpushed or found.corrupted:
        raise typer.Exit(1)


def say_move(place: Place, url: str, account: str) -> None:
    """Move everything, and say what there is to commit."""
    if repository.shallow():
        raise UserError("this clone has only new commits: git fetch --unshallow")
    old = place.store.url
    count = move.move(place, url, account)
    print(f"{count} objects are at {url}, each read back there; {old} keeps what it has")
    print("Next: git add --all && git commit --message 'Move the store'")


def state(place: Place, verify: bool) -> State:
    """Compare what the store has with what every commit of every branch and tag expects."""
    store, cache = place.store, place.cache
    there = store.entries()
    wanted = expect(SHARED, place.read).objects
    in_git = set(place.history.blobs) if store.is_folder else set()
    absent = [one for one in wanted if one not in there and one not in in_git]
    total = sum(entry.size for entry in there.values())
    corrupted: list[str] = []
    if verified := verify or store.is_folder or total <= READ:
        sound = each("reading", store.is_sound, [one for one in wanted if one in there])
        corrupted = [one for one, is_sound in sound.items() if not is_sound]
    kept = [one for one in absent if cache.is_sound(one) or place.history.read(one) is not None]
    missing = [one for one in absent if one not in kept]
    return State(there, wanted, missing, kept, corrupted, verified)


def lines(place: Place, found: State) -> list[str]:
    """The state for people, a line each."""
    needless = [entry for name, entry in found.there.items() if name not in found.wanted]
    holds = f"{len(found.there)} objects, {amount(found.there.values())}"
    if place.store.is_folder and (more := len(set(place.history.blobs) - set(found.there))):
        holds += f"; {more} more in other commits of Git"
    text = [
        f"store     {place.store.url}",
        f"holds     {holds}{'' if found.verified else '; not read again: VERIFY=1'}",
        f"expected  {len(found.wanted)}, by all branches and tags, and the files here",
    ]
    for name, advice in ADVICE.items():
        if objects := getattr(found, name):
            names = join_names(f"{found.wanted[one]} ({one[:8]})" for one in objects)
            text.append(f"{name:10}{len(objects)}: {names}. {advice}")
    if len(text) == 3:
        how = ", each as its hash says" if found.verified else ""
        text.append(f"ok        all are there{how}")
    if needless:
        text.append(f"others    {len(needless)}, {amount(needless)}: make gc says which may go")
    return text


def amount(entries: Iterable[Entry]) -> str:
    """The size of objects together, for people."""
    size, unit = float(sum(entry.size for entry in entries)), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}"
