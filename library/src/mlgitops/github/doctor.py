"""`make doctor`: what the set-up lacks, on this machine and on the Git host, and what fixes it."""

import os
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError
from urllib.request import urlopen

import typer

from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.github import client
from mlgitops.github.settings import Finding, Settings, check_all, one_line
from mlgitops.images import docker, login
from mlgitops.stores import move, objects, reach

HOOKS = ("pre-commit", "pre-push")
SECONDS = 10  # to wait for a registry
HUB = "registry-1.docker.io"  # where docker.io answers
# What a variable or a secret is for, by how its name begins: it is needed where that is used.
CLOUDS = {"AZURE_": "azure", "AWS_": "s3", "GCP_": "gs", "GOOGLE_": "gs"}


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Fix what the Git host's API can fix.")
    ] = False,
) -> None:
    """Say of everything that the project needs around it whether it is there."""
    if not Path("dvc.yaml").exists():
        raise UserError("there is no dvc.yaml here: run this in the project's folder")
    missing = 0
    for found in findings(fix):
        print(f"{found.state:9}{found.name:14}{found.words}", flush=True)
        missing += found.state == "missing"
    if missing:
        print(f"{missing} missing")
        raise typer.Exit(1)


def findings(fix: bool) -> Iterator[Finding]:
    """Everything in turn: this machine, the store, the registry, the Git host."""
    yield has_lock()
    yield has_model()
    if not os.environ.get("CI"):
        yield has_hooks()
    url, found = store()
    yield found
    yield registry()
    try:
        there = client.connect()
    except UserError as error:
        yield Finding("missing", "token", one_line(error))
        return
    yield from check_all(Settings(there, lambda name: is_needed(name, url), fix))


def is_committed(path: str) -> bool:
    """Whether Git has a file."""
    return bool(repository.git("ls-files", "--", path))


def has_lock() -> Finding:
    """Whether the versions of the packages are committed."""
    if is_committed("uv.lock"):
        return Finding("ok", "uv.lock", "is in Git")
    return Finding("missing", "uv.lock", "is not in Git: make setup, then git add uv.lock")


def has_model() -> Finding:
    """Whether a model is committed."""
    if is_committed("dvc.lock"):
        return Finding("ok", "dvc.lock", "is in Git")
    return Finding("missing", "dvc.lock", "is not in Git: make pipeline, then git add --all")


def has_hooks() -> Finding:
    """Whether Git runs the checks before a commit and a push."""
    folder = Path((repository.git("rev-parse", "--git-path", "hooks") or ".git/hooks").strip())
    absent = [name for name in HOOKS if not (folder / name).is_file()]
    if absent:
        return Finding("missing", "hooks", f"{', '.join(absent)}: make setup")
    return Finding("ok", "hooks", f"{' and '.join(HOOKS)} are installed")


def store() -> tuple[str, Finding]:
    """The address of the store, "" if none can be read, and whether it answers."""
    from dvc.config import Config, ConfigError

    try:
        config = Config.from_cwd()
    except ConfigError as error:
        words = f".dvc/config: {one_line(error)}: fix it, or git restore .dvc/config"
        return "", Finding("missing", "store", words)
    url = str(config["remote"].get(config["core"].get("remote"), {}).get("url", ""))
    if not url:
        words = "none is configured: dvc remote add --default store URL"
        return "", Finding("missing", "store", words)
    return url, store_answers(url)


def store_answers(url: str) -> Finding:
    """Whether the store answers, is where the project wants it, and is read with care."""
    try:
        with objects.here() as place:
            reach.check(place.store)
            known = place.repo.config["remote"][place.repo.config["core"]["remote"]]
            if place.store.is_folder and not Path(known["url"]).exists():
                return Finding("missing", "store", f"nothing is at {url}: make pipeline")
    except UserError as error:
        return Finding("missing", "store", one_line(error))
    if not known.get("verify"):
        words = "hands out what is corrupted: dvc remote modify store verify true"
        return Finding("missing", "store", words)
    if example := move.url_of_answer(url):
        return Finding("missing", "store", f"is still in Git: make store URL={example}")
    return Finding("ok", "store", f"{url} answers")


def registry() -> Finding:
    """Whether the registry of the images answers, with or without a login."""
    host = docker.host()
    near = host.partition(":")[0] in ("localhost", "127.0.0.1")
    url = f"{'http' if near else 'https'}://{HUB if host == docker.HUB else host}/v2/"
    try:
        with urlopen(url, timeout=SECONDS):  # noqa: S310
            reason = ""
    except HTTPError as error:
        reason = "" if error.code in (401, 403) else f"HTTP {error.code}"
    except (OSError, HTTPException, ValueError) as error:  # down; no HTTP; no address
        reason = one_line(error) or type(error).__name__
    if reason:
        words = f"{url} does not answer as a registry ({reason}): REGISTRY names another"
        return Finding("missing", "registry", words)
    return Finding("ok", "registry", f"{host} answers")


def is_needed(name: str, url: str) -> bool:
    """Whether a variable or secret must be set: for the store's cloud, or a registry's login."""
    for start, scheme in CLOUDS.items():
        if name.startswith(start):
            return url.startswith(f"{scheme}://")
    if name.startswith("REGISTRY_"):
        return docker.host() != login.GITHUB
    return False
