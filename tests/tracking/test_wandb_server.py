"""The server's part of Weights & Biases, with a stand-in for `wandb.Api`; no server is reached."""

from types import SimpleNamespace
from typing import Any

import pytest
from mlgitops.tracking.base import Evidence, Key
from mlgitops.tracking.wandb_server import Server


class Version(SimpleNamespace):
    """A version of a model."""

    def save(self) -> None:
        self.saves = getattr(self, "saves", 0) + 1


class Api:
    """What the server has: a project with two versions and their runs."""

    def __init__(self) -> None:
        self.settings = {"base_url": "https://api.wandb.ai"}
        self.versions = [
            Version(version="v0", aliases=["c0", "staging"]), Version(version="v1", aliases=["c1"]),
        ]  # fmt: skip
        self.queries: list[Any] = []

    def versions_of(self, name: str) -> list[Version]:
        place, _, alias = name.partition(":")
        assert place == "acme/bees/bees"
        return [one for one in self.versions if alias == one.version or alias in one.aliases]

    def artifact_exists(self, name: str, type: str) -> bool:  # noqa: A002
        return bool(self.versions_of(name))

    def artifact(self, name: str, type: str) -> Version:  # noqa: A002
        (found,) = self.versions_of(name)
        return found

    def projects(self, owner: str) -> list[Any]:
        return [SimpleNamespace(name="bees")] if owner == "acme" else []

    def run(self, path: str) -> Any:
        assert path == "acme/bees/1"
        return SimpleNamespace(summary={"verdict/a": 1.0}, config={"gate": "passed"})

    def runs(self, path: str, filters: Any) -> list[Any]:
        assert path == "acme/bees"
        self.queries.append(filters)
        return [SimpleNamespace(config={"commit": "c0", "lock": "l0", "trial": 3})]


@pytest.fixture
def server() -> Server:
    return Server(Api(), "acme/bees")


def test_only_complete_runs_are_asked_for(server: Server) -> None:
    assert server.complete() == {Key("c0", "l0")}
    assert server.trials("s") == {3}
    assert [query["summary_metrics.complete"] for query in server.api.queries] == [True, True]
    assert Server(server.api, "other/bees").complete() == set()


def test_an_alias_moves_from_one_version_to_another(server: Server) -> None:
    first, second = server.api.versions
    assert (server.version("c1"), server.version("c2")) == ("v1", None)
    assert server.alias("staging", "v1") is True
    assert (first.aliases, second.aliases) == (["c0"], ["c1", "staging"])
    assert server.alias("staging", "v1") is False
    assert server.alias("staging", None) is True
    assert second.aliases == ["c1"]
    assert server.alias("staging", None) is False
    assert (first.saves, second.saves) == (1, 2)


def test_what_a_run_lacks_is_seen(server: Server) -> None:
    assert not server.lacks("1", Evidence({"gate": "passed"}, {"verdict/a": 1.0}))
    assert server.lacks("1", Evidence({"gate": "refused"}, {"verdict/a": 1.0}))
    assert server.lacks("1", Evidence({"gate": "passed"}, {"verdict/a": 2.0}))


def test_the_page_is_the_projects(server: Server) -> None:
    assert server.address() == "https://wandb.ai/acme/bees"
