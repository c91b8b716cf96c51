"""The objects that Git expects a store to have, by the .dvc and dvc.lock files of its commits."""

import glob
import json
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from mlgitops.git import repository
from mlgitops.git.runner import run

Read = Callable[[str], bytes | None]

FILES = (":(glob)**/*.dvc", ":(glob)**/dvc.lock", ":(glob)**/dvc.yaml")
SHARED = ("--branches", "--remotes", "--tags", "HEAD")
# What must never be lost: the stash and experiments, too.
EVERYTHING = ("--all", "HEAD")
FOLDER = ".dir"
OBJECT = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?\b")
VARIABLE = re.compile(r"\$\{[^}]*\}")


class Expected(NamedTuple):
    """Each object with where it is expected, and the listings of folders that cannot be read."""

    objects: dict[str, str]
    unread: dict[str, str]


def expect(revisions: Iterable[str], read: Read) -> Expected:
    """What the files here expect, and every commit that the revisions reach.

    `read` gives the content of the listing of a folder, None where nobody has it as it should be.
    """
    objects, unread = dict(roots(revisions)), {}
    for md5, where in list(objects.items()):
        if md5.endswith(FOLDER):
            listing = read(md5)
            if listing is None:
                unread[md5] = where
            for one in json.loads(listing or "[]"):
                objects.setdefault(one["md5"], f"{one['relpath']} in {where}")
    return Expected(objects, unread)


def roots(revisions: Iterable[str]) -> dict[str, str]:
    """The files and folders that are expected, each with the newest that names it."""
    found: dict[str, str] = {}
    for path, text, graph in here():
        for name, md5 in outputs(path, text, graph):
            found.setdefault(md5, name)
    for commit, path, text, graph in versions(revisions):
        for name, md5 in outputs(path, text, graph):
            found.setdefault(md5, f"{name} of {commit[:7]}")
    return found


def versions(revisions: Iterable[str]) -> Iterator[tuple[str, str, str, str]]:
    """Every version of a .dvc file or a dvc.lock once: commit, path, text, the dvc.yaml beside."""
    history, seen = list(snapshots(revisions)), set()
    texts = contents({blob for _, files in history for blob in files.values()})
    for commit, files in history:
        for path, blob in files.items():
            version = (path, blob, files.get(beside(path), ""))
            if not path.endswith("dvc.yaml") and version not in seen:
                seen.add(version)
                yield commit, path, texts[blob], texts.get(version[2], "")


def mentions(revisions: Iterable[str]) -> set[str]:
    """Every hash that stands in a .dvc file or a dvc.lock, of the commits or as it lies here."""
    texts = contents({blob for _, files in snapshots(revisions) for blob in files.values()})
    return {md5 for text in texts.values() for md5 in OBJECT.findall(text)} | {
        md5 for _, text, _ in here() for md5 in OBJECT.findall(text)
    }


def here() -> Iterator[tuple[str, str, str]]:
    """The .dvc and dvc.lock files as they lie here: path, text, and that of the dvc.yaml beside."""
    options = ("-z", "--cached", "--others", "--exclude-standard", "--")
    found = repository.git("ls-files", *options, *FILES)
    if found is None:  # an image has no Git
        found = "\0".join(map(str, [*Path().glob("dvc.lock"), *Path().glob("*/*.dvc")]))
    for path in sorted({*found.split("\0")} - {""}):
        if Path(path).is_file() and not path.endswith("dvc.yaml"):
            graph = Path(beside(path))
            beside_it = graph.read_text("utf-8") if graph.is_file() else ""
            yield path, Path(path).read_text("utf-8"), beside_it


def beside(path: str) -> str:
    """The dvc.yaml of a dvc.lock."""
    return PurePosixPath(path).with_name("dvc.yaml").as_posix()


def snapshots(revisions: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The commits that changed one of the files, newest first, each with their blobs by path."""
    if not revisions:
        return
    known = [one for one in revisions if one != "HEAD" or repository.commit("HEAD")]
    history = ("--full-history", *known, "--", *FILES)
    commits = run("rev-list", *history).decode().split()
    names = run("log", "-m", "--relative", "--name-only", "--format=", "-z", *history)
    paths = sorted({*names.decode().split("\0")} - {""})
    places = [f"{commit}:./{path}" for commit in commits for path in paths if "\n" not in path]
    found = run("cat-file", "--batch-check=%(objectname)", given="\n".join(places).encode())
    blobs = iter(found.decode().splitlines())
    for commit in commits:
        files = {path: next(blobs) for path in paths if "\n" not in path}
        yield commit, {path: blob for path, blob in files.items() if not blob.endswith("missing")}


def contents(blobs: set[str]) -> dict[str, str]:
    """The texts of blobs of Git."""
    left, texts = run("cat-file", "--batch", given="\n".join(sorted(blobs)).encode()), {}
    while left:
        about, _, left = left.partition(b"\n")
        blob, _, size = about.decode().split()
        texts[blob] = left[: int(size)].decode("utf-8", errors="replace")
        left = left[int(size) + 1 :]
    return texts


def outputs(path: str, text: str, graph: str) -> Iterator[tuple[str, str]]:
    """The path and the MD5 of each output of a .dvc file or a dvc.lock that belongs in the store.

    None of a file that cannot be read: a merge may have left its marks in one.
    """
    try:
        document = yaml.load(text, yaml.CSafeLoader) or {}
        elsewhere = list(patterns(yaml.load(graph, yaml.CSafeLoader) or {}))
        stages = document["stages"].values() if "stages" in document else [document]
        for stage in stages:
            if any("repo" in one for one in stage.get("deps") or ()):  # another repository has it
                continue
            for one in stage.get("outs") or ():
                away = is_elsewhere(one) or any(fnmatchcase(one["path"], p) for p in elsewhere)
                if one.get("hash") == "md5" and isinstance(one.get("md5"), str) and not away:
                    yield PurePosixPath(path).parent.joinpath(one["path"]).as_posix(), one["md5"]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        return


def patterns(graph: dict[str, Any]) -> Iterator[str]:
    """The outputs that a dvc.yaml keeps out of the store; a variable in a path stands for all."""
    for stage in (graph.get("stages") or {}).values():
        entries = [
            entry
            for kind in ("outs", "metrics", "plots")
            for entry in stage.get("do", stage).get(kind) or ()
        ]
        for entry in entries:
            for path, about in entry.items() if isinstance(entry, dict) else ():
                if is_elsewhere(about or {}):
                    yield "*".join(map(glob.escape, VARIABLE.split(path)))


def is_elsewhere(about: dict[str, Any]) -> bool:
    """Whether an output is in Git, in a store of its own, or nowhere but here."""
    return about.get("cache") is False or about.get("push") is False or bool(about.get("remote"))
