"""What a tracker is given, as plain data, and what it must be able to do.

An adapter is a module here, named as `track.tracker` in params.yaml, with a function `connect`.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from mlgitops.core.errors import UserError

Table = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Key:
    """What a run is known by: a commit and the sha256 of its dvc.lock."""

    commit: str
    lock: str


@dataclass(frozen=True)
class Evidence:
    """What can be known of a run, also later: tags, figures by name; the others by path."""

    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # PNG


@dataclass(frozen=True)
class Dataset:
    """A table: its role, md5 and address of the object, its schema (type by column) and profile."""

    role: str
    name: str
    digest: str
    address: str
    schema: Mapping[str, str]
    profile: Mapping[str, Any]


@dataclass(frozen=True)
class Asset:
    """A model: its folder, its md5, and the packages (name==version) and code that it needs."""

    folder: Path
    digest: str
    requirements: Sequence[str]
    code: Sequence[Path]


@dataclass(frozen=True)
class Run:
    """A commit as a run: `when` in seconds since 1970; `parent` is the trained commit before."""

    key: Key
    name: str
    when: float
    params: Mapping[str, str]
    evidence: Evidence
    parent: Key | None = None
    datasets: Sequence[Dataset] = ()
    model: Asset | None = None


@dataclass(frozen=True)
class Trial:
    """One setting that was tried, and what it gave; `metrics` is empty if it failed."""

    number: int
    when: float
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Search:
    """A search: the key of its study, and its trials."""

    key: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    trials: Sequence[Trial]


class Tracker(Protocol):
    """A place for runs. A run that `log` did not finish is never among `complete`."""

    def complete(self) -> Collection[Key]:
        """The keys of the runs that are there as a whole."""

    def clear(self, keys: Collection[Key]) -> int:
        """Delete the runs of these keys that were left half done; how many that was."""

    def unite(self, keys: Collection[Key]) -> int:
        """Delete all but one of the complete runs of each key; how many that was."""

    def alone(self) -> AbstractContextManager[None]:
        """No other command of this machine writes in the block; what fails there is a UserError."""

    def log(self, run: Run) -> None:
        """Add a run that is not there."""

    def lacks(self, key: Key, evidence: Evidence) -> bool:
        """Whether a complete run does not have these tags and figures."""

    def add(self, run: Run, evidence: Evidence) -> None:
        """Add to a complete run what became known later; `run` has all of it."""

    def search(self, search: Search) -> int:
        """Add the trials that are not there under one parent; how many were added."""

    def version(self, commit: str) -> str | None:
        """The registered version of a trained commit's model; None if there is none."""

    def alias(self, name: str, version: str | None) -> bool:
        """Let the alias name this version alone, or none; whether that was another before."""

    def ui(self) -> None:
        """Open the tracker's pages, until the person stops it."""


def connect(name: str, project: str) -> Tracker:
    """The adapter of that name, for the runs of a project."""
    try:
        adapter = import_module(f"mlgitops.tracking.{name}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error.name} is not installed: in pyproject.toml, group track, "
            f'"mlgitops[track-{name}]"; then make setup'
        ) from error
    return cast(Tracker, adapter.connect(project))
