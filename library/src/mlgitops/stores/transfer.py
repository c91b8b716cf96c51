"""Objects go to the store and come from it by DVC; what arrived is compared with what Git names."""

from collections.abc import Iterable
from pathlib import Path

from mlgitops.core.errors import UserError, join_names
from mlgitops.stores import reach
from mlgitops.stores.expected import FOLDER, expect
from mlgitops.stores.objects import History, Place, Store, each, here

Source = Store | History
ONE_BY_ONE = 200  # objects that are asked for one by one; of more, the store is listed


def dvc(*command: str) -> bool:
    """Whether a DVC command succeeded; it says itself why not."""
    from dvc.cli import main

    return bool(main(list(command)) == 0)


def push(*options: str) -> None:
    """Send the objects that the files here name; a UserError unless the store has all of them.

    DVC's exit code says little: it sends nothing that its index believes is there.
    """
    check()
    if not dvc("push", *options):
        raise UserError(
            "the outputs are not in the store; the reason is above. Then: make pipeline"
        )
    complete()


def check() -> None:
    """Refuse a store that does not answer."""
    with here() as place:
        reach.check(place.store)


def complete() -> None:
    """Send what the store still lacks of the objects that the files here name."""
    with here() as place, reach.explain(place.store):
        wanted = expect((), place.read).objects
        if lost := send(place, absent(place.store, wanted)):
            names = join_names(wanted[one] for one in lost)
            raise UserError(f"neither the store nor the cache here has {names}: make pipeline")


def pull(*options: str) -> None:
    """Get the objects that the files here name and the store has; a UserError if it fails."""
    check()
    if not dvc("pull", "--allow-missing", *options):
        raise UserError("the data cannot be fetched from the store; the reason is above")


def absent(store: Store, wanted: Iterable[str]) -> list[str]:
    """The objects that the store has not."""
    names = list(wanted)
    if len(names) > ONE_BY_ONE:
        there = store.entries()
        return [one for one in names if one not in there]
    store.fs.fs.invalidate_cache()
    found = each("asking", lambda one: bool(store.fs.exists(store.place(one))), names)
    return [one for one, is_there in found.items() if not is_there]


def send(place: Place, names: Iterable[str]) -> list[str]:
    """Upload objects from here and read them again; those that are not here."""
    return copy([place.cache, place.history], place.store, names)


def copy(sources: list[Source], target: Store, names: Iterable[str]) -> list[str]:
    """Make objects sound at the target; those that no source has.

    Folders' listings last: DVC takes one for a sign that all its files are there.
    """
    files, lost = sorted(names, key=lambda one: (one.endswith(FOLDER), one)), []
    there = target.entries() if files else {}

    def work(name: str) -> bool:
        return (name in there and target.is_sound(name)) or copy_one(sources, target, name)

    for group in (False, True):
        part = [one for one in files if one.endswith(FOLDER) is group]
        lost += [one for one, done in each("objects", work, part).items() if not done]
    return lost


def copy_one(sources: list[Source], target: Store, name: str) -> bool:
    """Write one object and read it back; False where no source has it as it should be."""
    for source in sources:
        with source.file(name) as file:
            if file is not None:
                target.put(file, name)
                if not target.is_sound(name):
                    raise UserError(f"{target.url} holds {name} otherwise than it was sent")
                return True
    return False


def missing_data() -> list[str]:
    """The paths of data versions that are not here, after what the store has was fetched."""
    pointers = sorted(Path("data").glob("*.dvc"))
    return [one.with_suffix("").as_posix() for one in pointers if not one.with_suffix("").exists()]
