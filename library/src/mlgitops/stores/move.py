"""Every object of every commit goes to another store and is read back; then that is the store."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing
from mlgitops.stores import reach
from mlgitops.stores.expected import SHARED, expect
from mlgitops.stores.objects import FOLDER, Place, Store, objects_below
from mlgitops.stores.transfer import copy

GIT = "git"
PREFIX = "store-"
KINDS = {"azure": "azure", "s3": "s3", "gs": "gcs"}  # by the scheme of a URL: the extra's name
EXAMPLES = {
    "store-azure": "azure://container/prefix ACCOUNT=name",
    "store-s3": "s3://bucket/prefix",
    "store-gcs": "gs://bucket/prefix",
}
EXTRAS = re.compile(r'"mlgitops\[train((?:,[a-z0-9-]+)*)\]"')


def options(url: str, account: str) -> dict[str, Any]:
    """What .dvc/config says of the new store; a UserError if it is no URL of one."""
    if url == GIT:
        return {"url": FOLDER, "verify": True}
    parts = urlsplit(url)
    if parts.scheme not in KINDS or not parts.netloc or parts.query or "@" in parts.netloc:
        raise UserError(
            f"URL={url!r} is no store: azure://container/prefix, s3://bucket/prefix, "
            "gs://bucket/prefix, or git"
        )
    if parts.scheme != "azure":
        return {"url": url.rstrip("/"), "verify": True}
    known = re.search(r"AccountName=([^;]*)", os.environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account = account or (known[1] if known else "")
    if not re.fullmatch(r"[a-z0-9]{3,24}", account):
        raise UserError(
            "whose container? ACCOUNT=name: a storage account of Azure has 3 to 24 small letters "
            "and digits"
        )
    return {"url": url.rstrip("/"), "account_name": account, "verify": True}


def move(place: Place, url: str, account: str) -> int:
    """Bring all to the new store and name it in .dvc/config; how many objects were read back there.

    It may end half-way: run again, it goes on. The old store stays as it is.
    """
    new = options(url, account)
    extra = f"store-{KINDS.get(urlsplit(url).scheme, GIT)}"
    before = extras()
    if extra not in before:
        install([*before, extra])
    target = open_store(place, new)
    reach.check(target)
    with reach.explain(place.store):
        wanted = expect(SHARED, place.read)
    with reach.explain(target):
        lost = copy([place.cache, place.history, place.store], target, wanted.objects)
    for one in lost:
        print(f"lost      {one}: {wanted.objects[one]} is nowhere as it should be, and stays lost")
    switch(place, new)
    if before != [extra]:
        rewrite([extra])
        uv("lock")
    return len(wanted.objects) - len(lost)


def open_store(place: Place, new: dict[str, Any]) -> Store:
    """A store that no configuration names yet."""
    from dvc.exceptions import DvcException
    from dvc.fs import get_cloud_fs

    url = new["url"]
    if "://" not in url:
        new = new | {"url": str(Path(place.repo.root_dir, url))}
    try:
        kind, config, path = get_cloud_fs(place.repo.config, **new)
        fs = kind(**config)
        return Store(fs, objects_below(fs, path), url)
    except DvcException as error:
        raise UserError(f"{url} cannot be opened: {error}") from None


def switch(place: Place, new: dict[str, Any]) -> None:
    """Name the store in .dvc/config, with nothing left of what was said of the old one."""
    name = place.repo.config["core"]["remote"]
    with place.repo.config.edit("repo") as config:
        config["remote"][name] = new


def extras() -> list[str]:
    """The extras of stores that pyproject.toml names."""
    found = EXTRAS.search(paths.PROJECT.read_text("utf-8"))
    if not found:
        raise UserError(f'{paths.PROJECT}: the group `train` needs "mlgitops[train,store-git]"')
    return [one for one in found[1].split(",") if one.startswith(PREFIX)]


def url_of_answer(url: str) -> str:
    """How the store would be named that pyproject.toml speaks of; "" where it is that already."""
    found = EXTRAS.search(paths.PROJECT.read_text("utf-8"))
    if "://" in url or found is None:
        return ""
    return next((example for name, example in EXAMPLES.items() if name in found[1]), "")


def install(wanted: list[str]) -> None:
    """Install the packages of stores; pyproject.toml is as it was, where that fails."""
    before = paths.PROJECT.read_bytes()
    rewrite(wanted)
    try:
        uv("sync")
    except UserError:
        paths.PROJECT.write_bytes(before)
        raise


def rewrite(wanted: list[str]) -> None:
    """Name the extras of stores in pyproject.toml, in the group `train`, and no other."""
    text = paths.PROJECT.read_text("utf-8")
    known = EXTRAS.search(text)
    others = [one for one in (known[1] if known else "").split(",") if not one.startswith(PREFIX)]
    names = ",".join(["train", *filter(None, others), *wanted])
    with replacing(paths.PROJECT) as part:
        text = EXTRAS.sub(f'"mlgitops[{names}]"', text, count=1)
        part.write_text(text, encoding="utf-8", newline="\n")


def uv(command: str) -> None:
    """Let uv install, or only lock, what pyproject.toml names."""
    try:
        done = subprocess.run(["uv", command, "--quiet"], check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise UserError("uv is not on PATH: make setup, then this by `make store`") from None
    if done.returncode != 0:
        raise UserError(f"`uv {command}` failed; the reason is above")
