"""What a dvc.lock says of its stages, compared with itself and with another one."""

from collections.abc import Mapping
from typing import Any

Stages = Mapping[str, Mapping[str, Any]]


def hashes(stage: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    """The MD5 of each path that a stage reads (kind deps) or writes (kind outs)."""
    return {entry["path"]: entry.get("md5") for entry in stage.get(kind) or ()}


def inconsistent(stages: Stages) -> list[str]:
    """Where a stage reads another hash than the stage before it wrote, a line each."""
    made = {
        path: (name, md5)
        for name, stage in stages.items()
        for path, md5 in hashes(stage, "outs").items()
    }
    return [
        f"{name} reads {path} {short(md5)}, {made[path][0]} wrote {short(made[path][1])}"
        for name, stage in stages.items()
        for path, md5 in hashes(stage, "deps").items()
        if path in made and md5 != made[path][1]
    ]


def contradictions(claimed: Stages, made: Stages) -> list[str]:
    """Where the same command, parameters and inputs made something else, a line each."""
    return [
        f"{name}: {path} is {short(md5)} in dvc.lock, and running it makes {short(now.get(path))}"
        for name, stage in claimed.items()
        if name in made and inputs(stage) == inputs(made[name])
        for now in [hashes(made[name], "outs")]
        for path, md5 in hashes(stage, "outs").items()
        if md5 != now.get(path)
    ]


def inputs(stage: Mapping[str, Any]) -> tuple[Any, ...]:
    """Everything that decides what a deterministic stage writes."""
    return stage.get("cmd"), stage.get("params"), hashes(stage, "deps")


def short(md5: str | None) -> str:
    """A hash as people compare it."""
    return (md5 or "nothing")[:8]
