"""Whether dvc.yaml still has the library's stages, each as it must be to be believed.

DVC runs what dvc.yaml says: a stage that is frozen, has another command or lacks a dependency makes
hashes that say nothing. More stages, and more dependencies of these, are fine. It also writes what
the pointers name, as data/raw.parquet.dvc does: that is a file beside them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlgitops.core import config, paths, rule_files
from mlgitops.core.errors import UserError, join_names
from mlgitops.git import repository

KEYS = {"desc", "cmd", "deps", "params", "outs", "metrics", "plots", "meta"}
VERSION = "pyproject.toml: tool.mlgitops.pipeline"
# What people and other commands write, as `make data` the raw table, beside rules: no stage does.
FOREIGN = (
    "src",
    "tests",
    "store",
    "docs",
    "params.yaml",
    "dvc.lock",
)


class Stage(NamedTuple):
    """What one of the library's stages reads and writes, at least; parameters as file: name."""

    deps: tuple[Path, ...]
    params: tuple[str, ...]
    outs: tuple[Path, ...]


STAGES = {
    "validate": Stage((paths.RAW, paths.SCHEMA), ("gate.yaml: validate",), (paths.DATA,)),
    "prepare": Stage(
        (paths.RAW, paths.SCHEMA, paths.DATA, paths.CODE),
        ("params.yaml: prepare", "gate.yaml: split"),
        (paths.TRAIN, paths.TEST),
    ),
    "train": Stage(
        (paths.TRAIN, paths.SCHEMA, paths.CODE), ("params.yaml: train",), (paths.FITTED,)
    ),
    "export": Stage(
        (paths.FITTED, paths.TRAIN, paths.SCHEMA, paths.CODE),
        ("params.yaml: export", "gate.yaml: parity", "gate.yaml: requests"),
        (paths.MODEL, paths.PARITY),
    ),
    "evaluate": Stage(
        (paths.MODEL, paths.TEST, paths.SCHEMA, paths.CODE),
        ("gate.yaml: evaluate",),
        (paths.METRICS, paths.SLICES, paths.PLOTS),
    ),
}


def check_stages(path: Path = paths.STAGES) -> None:
    """Refuse a dvc.yaml in which a stage is not what it must be, with all reasons."""
    if found := list(faults(config.read(path))):
        raise UserError(f"{path}: {join_names(found)}. `git diff main -- {path}` shows the change")
    check_pointers()


def check_pointers() -> None:
    """Refuse a pointer (*.dvc) by which DVC would write a rule, or what is not beside it."""
    for name in filter(None, (repository.git("ls-files", "-z", "--", "*.dvc") or "").split("\0")):
        pointer = Path(name)
        found = config.read(pointer) if pointer.is_file() else {}
        for path in places(found):
            if len(Path(path).parts) != 1 or is_rule(pointer.parent / path):
                raise UserError(
                    f"{name} must not write {path}: `dvc add` makes one beside its data"
                )


def places(pointer: Any) -> list[str]:
    """The paths that a pointer writes, from its own folder."""
    found = pointer if isinstance(pointer, Mapping) else {}
    folder, outs = Path(str(found.get("wdir", "."))), found.get("outs")
    given = [one.get("path") for one in outs or () if isinstance(one, Mapping)]
    return [(folder / str(path)).as_posix() for path in given]


def faults(document: Any) -> Iterator[str]:
    """What is wrong in the contents of a dvc.yaml, a line each."""
    stages = document.get("stages") if isinstance(document, Mapping) else None
    if not isinstance(stages, Mapping):
        yield "there are no stages"
        return
    for name, wanted in STAGES.items():
        if not isinstance(stages.get(name), Mapping):
            yield f"the stage {name} is gone"
        else:
            yield from (f"{name}: {what}" for what in of_own(name, stages[name], wanted))
    for name, stage in stages.items():
        yield from (f"{name}: {what}" for what in of_any(stage))


def of_own(name: str, stage: Mapping[str, Any], wanted: Stage) -> Iterator[str]:
    """What is wrong in one of the library's stages."""
    if stage.get("cmd") != f"mlgitops {name}":
        yield f"its command must be `mlgitops {name}`"
    if strange := sorted(set(map(str, stage)) - KEYS):
        yield f"{join_names(strange)} must not stand there"
    for kind, needed, given in (
        ("reads", {one.as_posix() for one in wanted.deps}, set(names(stage.get("deps")))),
        ("depends on", {*wanted.params, VERSION}, set(parameters(stage.get("params")))),
        ("writes", {one.as_posix() for one in wanted.outs}, set(outputs(stage))),
    ):
        if lacking := sorted(needed - given):
            yield f"it {kind} {join_names(lacking)}, which is not there"


def of_any(stage: Any) -> Iterator[str]:
    """What no stage may have: outputs that are kept or not its own, no run, a run each time."""
    if not isinstance(stage, Mapping):
        return
    for word in ("frozen", "always_changed"):
        if word in stage:
            yield f"{word} lets it claim what it did not make"
    if any(options.get("persist") for options in settings(stage)):
        yield "persist keeps what an earlier run made"
    for path in outputs(stage):
        if is_foreign(Path(path)):
            yield f"it must not write {path}"


def is_rule(path: Path) -> bool:
    """Whether an owner answers for it."""
    return rule_files.place(path.as_posix()) is not None


def is_foreign(path: Path) -> bool:
    """Whether it is, or may hold, what no stage writes."""
    top = path.parts[:1] or (".",)
    outside = path.is_absolute() or ".." in path.parts or top[0] in (".", *FOREIGN)
    return outside or path == paths.RAW or is_rule(path)


def entries(stage: Mapping[str, Any]) -> Iterator[Any]:
    """The outputs of a stage, of every kind, as they stand there."""
    for kind in ("outs", "metrics", "plots"):
        found = stage.get(kind)
        yield from found if isinstance(found, list) else [found] * (found is not None)


def outputs(stage: Mapping[str, Any]) -> list[str]:
    """The paths that a stage writes."""
    return [path for one in entries(stage) for path in names(one)]


def settings(stage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The options of its outputs."""
    for one in entries(stage):
        for options in one.values() if isinstance(one, Mapping) else ():
            if isinstance(options, Mapping):
                yield options


def names(given: Any) -> list[str]:
    """The paths in a list, a mapping or alone."""
    if isinstance(given, list):
        return [path for one in given for path in names(one)]
    return [str(one) for one in given] if isinstance(given, Mapping) else [str(given)]


def parameters(given: Any) -> Iterator[str]:
    """The parameters that a stage depends on, each as file: name."""
    for one in given if isinstance(given, list) else ():
        if not isinstance(one, Mapping):
            yield f"params.yaml: {one}"
            continue
        for file, keys in one.items():
            yield from (f"{file}: {key}" for key in keys or ())
