"""A place of objects: a folder or a bucket, in which each is named by its MD5, as DVC names it."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.git.runner import run

FOLDER = "store"  # where the store is in Git, or was
AT_ONCE = 16
BLOCK = 1 << 22  # bytes that are read at once
NAME = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)$")
Result = TypeVar("Result")
TIMES = ("last_modified", "LastModified", "updated")


class Entry(NamedTuple):
    """An object as a listing shows it; `when` it was written, in seconds."""

    size: int
    when: float


class Store:
    """The objects below a path of a file system of DVC's."""

    def __init__(self, fs: Any, path: str, url: str) -> None:
        """Objects are in `path` itself; `url` is the name for people."""
        self.fs, self.path, self.url = fs, path, url

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""
        return bool(self.fs.protocol == "local")

    def place(self, md5: str) -> str:
        """Where an object lies."""
        return str(self.fs.join(self.path, md5[:2], md5[2:]))

    def entries(self) -> dict[str, Entry]:
        """Every object that is there."""
        return {
            name[1] + name[2]: entry
            for path, entry in self.files()
            if (name := NAME.search(path.replace(os.sep, "/")))
        }

    def files(self) -> Iterator[tuple[str, Entry]]:
        """Every file below the path."""
        if self.is_folder:
            for path in Path(self.path).rglob("*"):
                if path.is_file():
                    about = path.stat()
                    yield str(path), Entry(about.st_size, about.st_mtime)
            return
        self.fs.fs.invalidate_cache()
        with suppress(FileNotFoundError):
            for path, known in self.fs.fs.find(self.path, detail=True).items():
                yield path, Entry(known.get("size") or 0, seconds(known))

    def md5(self, md5: str) -> str | None:
        """The MD5 of what an object holds now; None if there is none."""
        try:
            with self.fs.fs.open(self.place(md5), "rb", block_size=BLOCK) as file:
                found = hashlib.new("md5", usedforsecurity=False)
                while block := file.read(BLOCK):
                    found.update(block)
        except FileNotFoundError:
            return None
        return found.hexdigest() + (".dir" if md5.endswith(".dir") else "")

    def is_sound(self, md5: str) -> bool:
        """Whether an object is there and holds what its name says."""
        return self.md5(md5) == md5

    def read(self, md5: str) -> bytes | None:
        """The content of an object; None if it is not there, or is another than its name says."""
        try:
            content = bytes(self.fs.fs.cat_file(self.place(md5)))
        except FileNotFoundError:
            return None
        return content if is_named(content, md5) else None

    def put(self, file: Path, md5: str) -> None:
        """Write an object, over one that is there; a folder gets it whole or not at all."""
        place = self.place(md5)
        if self.is_folder:
            self.fs.makedirs(self.fs.parent(place), exist_ok=True)
        self.fs.put_file(str(file), place)

    def remove(self, md5: str) -> None:
        """Remove an object."""
        self.fs.fs.rm_file(self.place(md5))

    @contextmanager
    def file(self, md5: str) -> Iterator[Path | None]:
        """An object as a file of this machine; None if there is none that is sound."""
        with TemporaryDirectory() as folder:
            path = Path(self.place(md5)) if self.is_folder else Path(folder, "object")
            try:
                if not self.is_folder:
                    self.fs.fs.get_file(self.place(md5), str(path))
                found = repository.content(path)
            except FileNotFoundError:
                found = ""
            yield path if found == md5.partition(".")[0] else None


class History:
    """The objects that Git has in the folder of a store, in any commit.

    Where the store is in Git, a branch's objects are in no other branch's tree.
    """

    def __init__(self, folder: str) -> None:
        """Nothing is looked up before it is asked for."""
        self.folder = folder

    @cached_property
    def blobs(self) -> dict[str, str]:
        """By object, the blob: of every commit of branches, tags, stash and experiments."""
        found = repository.git("rev-list", "--objects", "--all", "--", self.folder) or ""
        lines = [line.partition(" ") for line in found.splitlines()]
        return {name[1] + name[2]: sha for sha, _, path in lines if (name := NAME.search(path))}

    def read(self, md5: str) -> bytes | None:
        """The content of an object; None if Git has none of this name and content."""
        content = run("cat-file", "blob", self.blobs[md5]) if md5 in self.blobs else None
        return content if content is not None and is_named(content, md5) else None

    @contextmanager
    def file(self, md5: str) -> Iterator[Path | None]:
        """An object as a file of this machine; None if there is none that is sound."""
        content = self.read(md5)
        with TemporaryDirectory() as folder:
            path = Path(folder, "object")
            path.write_bytes(content or b"")
            yield None if content is None else path


class Place(NamedTuple):
    """What a project has: the objects of this machine, those of the store, and of Git's commits."""

    repo: Any
    cache: Store
    store: Store
    history: History

    def read(self, md5: str) -> bytes | None:
        """The listing of a folder, from wherever it is sound."""
        found = (source.read(md5) for source in (self.cache, self.store, self.history))
        return next((content for content in found if content is not None), None)


@contextmanager
def here() -> Iterator[Place]:
    """The project here; a UserError where it has no store, or nothing that speaks to it."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo()
    except DvcException as error:
        raise UserError(f"the project's store cannot be opened: {error}") from None
    with repo:
        try:
            remote = repo.cloud.get_remote()
        except DvcException as error:
            raise UserError(f"the project's store cannot be opened: {error}") from None
        cache = repo.cache.local
        store = Store(remote.fs, objects_below(remote.fs, remote.path), url_of(repo))
        yield Place(repo, Store(cache.fs, cache.path, "the cache"), store, History(FOLDER))


def is_named(content: bytes, md5: str) -> bool:
    """Whether an object's name is of its content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.partition(".")[0]


def url_of(repo: Any) -> str:
    """The URL of a project's store; a folder relative to the project."""
    url = str(repo.config["remote"][repo.config["core"]["remote"]]["url"])
    return url if "://" in url else os.path.relpath(url, repo.root_dir)


def objects_below(fs: Any, path: str) -> str:
    """Where DVC keeps objects below the path of a store."""
    return str(fs.join(path, "files", "md5"))


def seconds(about: dict[str, Any]) -> float:
    """When an object was written, from what its cloud says of it; now, where it says nothing."""
    when = next((about[name] for name in TIMES if about.get(name)), datetime.now(UTC))
    return (datetime.fromisoformat(when) if isinstance(when, str) else when).timestamp()


def each(title: str, work: Callable[[str], Result], objects: Iterable[str]) -> dict[str, Result]:
    """The result of some work for every object, several at once, with a bar at a terminal."""
    from tqdm import tqdm

    names = list(objects)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            results = pool.map(work, names)
            bar = tqdm(results, title, len(names), unit="object", disable=None, leave=False)
            return dict(zip(names, bar, strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
