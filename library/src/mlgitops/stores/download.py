"""Files of a store that are no objects of DVC's, as the prediction log: copied to a folder."""

from collections.abc import Callable
from pathlib import Path

from mlgitops.core.files import replacing
from mlgitops.stores import reach
from mlgitops.stores.objects import Store, here


def download(url: str, folder: Path, wanted: Callable[[str], bool]) -> None:
    """Copy the files below a URL whose paths are wanted, and that are not here in full.

    `wanted` is asked for each path below the URL; the names are another's, so it must refuse what
    leads out of the folder. The login and the account are those of the project's own store.
    """
    with here() as place:
        store = open_folder(place.repo.config, url)
        reach.check(store)
        with reach.explain(store):
            for name, entry in store.files():
                path = name.partition(f"{store.path.rstrip('/')}/")[2]
                target = folder / path
                if not wanted(path) or (target.exists() and target.stat().st_size == entry.size):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with replacing(target) as part:
                    store.fs.get_file(name, str(part))


def open_folder(config: dict, url: str) -> Store:  # type: ignore[type-arg]
    """A folder of a store, by the settings that .dvc/config has for the project's."""
    from dvc.fs import get_cloud_fs

    own = dict(config["remote"][config["core"]["remote"]])
    kind, options, path = get_cloud_fs(config, **own | {"url": url})
    return Store(kind(**options), path, url)
