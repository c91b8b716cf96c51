"""What only W&B's server can answer: the runs it has, and the versions and aliases of a model.

No test reaches it, as it needs an account: tests put a stand-in for `wandb.Api` in its place.
"""

import os
from dataclasses import dataclass
from typing import Any

import wandb
from wandb.sdk.lib import wbauth

from mlgitops.tracking.base import Evidence, Key


@dataclass(frozen=True)
class Server:
    """A project on the server: `path` is owner/project."""

    api: Any
    path: str

    def complete(self) -> set[Key]:
        """The keys of the runs that are there as a whole."""
        found = self.runs({"config.kind": "commit", "summary_metrics.complete": True})
        return {Key(run.config["commit"], run.config["lock"]) for run in found}

    def trials(self, study: str) -> set[int]:
        """The numbers of a search's trials that are there as a whole."""
        found = self.runs({"config.study": study, "summary_metrics.complete": True})
        return {run.config["trial"] for run in found}

    def lacks(self, number: str, evidence: Evidence) -> bool:
        """Whether a run does not have these tags and figures."""
        run = self.api.run(f"{self.path}/{number}")
        figures = {name: run.summary.get(name) for name in evidence.metrics}
        config = {name: run.config.get(name) for name in evidence.tags}
        return figures != dict(evidence.metrics) or config != dict(evidence.tags)

    def version(self, commit: str) -> str | None:
        """The version of the model that has the commit as an alias."""
        found = self.model(commit)
        return found.version if found else None

    def alias(self, name: str, version: str | None) -> bool:
        """Move an alias to a version, or remove it; whether it was elsewhere."""
        before = self.model(name)
        if version == (before.version if before else None):
            return False
        if before:
            before.aliases.remove(name)
            before.save()
        if version and (chosen := self.model(version)):
            chosen.aliases.append(name)
            chosen.save()
        return True

    def model(self, name: str) -> Any:
        """The version of the model that a name of W&B means: v3, or an alias; None if none."""
        place = f"{self.path}/{self.path.rpartition('/')[2]}:{name}"
        if not self.api.artifact_exists(place, type="model"):
            return None
        return self.api.artifact(place, type="model")

    def runs(self, query: dict[str, Any]) -> list[Any]:
        """The runs of a query; none where the server has no such project yet."""
        owner, _, project = self.path.partition("/")
        if all(one.name != project for one in self.api.projects(owner)):
            return []
        return list(self.api.runs(self.path, filters=query))

    def address(self) -> str:
        """The project's page."""
        return f"{self.api.settings['base_url'].replace('//api.', '//')}/{self.path}"


def connect(project: str) -> Server | None:
    """The server, where WANDB_MODE does not say offline and there is an account."""
    settings = wandb.Settings()
    mode = os.environ.get("WANDB_MODE", "")
    if mode in ("offline", "disabled", "dryrun") or not _has_account(settings.base_url):
        return None
    api = wandb.Api()
    owner = os.environ.get("WANDB_ENTITY") or api.default_entity
    return Server(api, f"{owner}/{project}")


def _has_account(address: str) -> bool:
    """Whether there is a key: in WANDB_API_KEY, or where `wandb login` leaves it."""
    return bool(os.environ.get("WANDB_API_KEY") or wbauth.read_netrc_auth(host=address))
