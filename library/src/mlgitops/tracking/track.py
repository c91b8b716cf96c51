"""`make track`: what was trained becomes runs in the tracker, from Git and the store alone."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer
import yaml
from tqdm import tqdm

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.core.project import project
from mlgitops.git import lineage, repository
from mlgitops.tracking.base import (
    Asset,
    Dataset,
    Evidence,
    Key,
    Run,
    Search,
    Tracker,
    Trial,
    connect,
)
from mlgitops.tracking.pictures import pictures

GATE, TRIALS = paths.GATE, paths.TRIALS
ROLES = ("raw", "train", "test")
PLOTS = paths.PLOTS.as_posix()
MAIN = "main/"  # comes first on a tracker's pages
SHORT = 8  # characters of a hash in a name
LONGEST = 60  # characters of a part of a metric's name
CHECKOUT = re.compile(r"^git checkout ([0-9a-f]{40,64})$", re.M)
CHART = re.compile(r"^```mermaid$.*?^```$", re.M | re.S)  # which GitHub shows
STYLE = """\
<!doctype html><meta charset="utf-8"><style>
body {font: 14px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em}
table {border-collapse: collapse} td, th {border: 1px solid #ccc; padding: .2em .6em}
</style>
"""
# What a pickled pipeline names of the library.
LIGHT = ("__init__.py", "serving/__init__.py", "serving/features.py", "serving/labels.py")
NEEDED = {
    "onnx": ("numpy", "onnxruntime", "pandas"),
    "sklearn": ("joblib", "numpy", "pandas", "pydantic", "pyyaml", "scikit-learn"),
}


class Track(config.Section):
    """Which tracker the runs go to; none: nowhere."""

    tracker: Literal["mlflow", "wandb", "none"]


def track(
    every: Annotated[
        bool, typer.Option("--all", help="Every trained commit that the tracker lacks.")
    ] = False,
    trials: Annotated[
        bool, typer.Option("--trials", help="The trials of `mlgitops tune` instead of commits.")
    ] = False,
) -> None:
    """Log the commit that HEAD's dvc.lock comes from; with --all, the whole history."""
    tracker = choose()
    if tracker is None:
        return
    if trials:
        with tracker.alone():
            print(log_trials(tracker))
        return
    if every and repository.shallow():
        raise UserError("this clone lacks older commits: git fetch --unshallow")
    if repository.verdict_commit() is None:
        print("what is not committed is not logged: dvc.lock, params.yaml or artifacts/ changed")
    wanted = repository.training_commits() if every else [newest()]
    with tracker.alone():
        print(log_commits(tracker, wanted))


def choose() -> Tracker | None:
    """The tracker that params.yaml names; None, and a line that says so, where it is none."""
    name = config.load(Track).tracker
    if name == "none":
        print(f"{paths.PARAMS}: track.tracker is none: no tracker to speak to")
        return None
    return connect(name, project().name)


def newest() -> repository.Commit:
    """The trained commit that HEAD's dvc.lock comes from."""
    commit = lineage.origin(repository.head())
    if commit is None or repository.text("HEAD", repository.LOCK) is None:
        raise UserError("nothing trained is committed yet: make pipeline, then git commit")
    return next(one for one in repository.training_commits(commit) if one.sha == commit)


def log_commits(tracker: Tracker, wanted: list[repository.Commit]) -> str:
    """Log what the tracker lacks, oldest first; a line that says what was done."""
    keys = {commit: key for commit in wanted if (key := key_of(commit.sha))}
    halves, twins = tracker.clear(keys.values()), tracker.unite(keys.values())
    known = set(tracker.complete())
    missing = [commit for commit in keys if keys[commit] not in known]
    late = [commit for commit in keys if keys[commit] in known and is_late(tracker, keys[commit])]
    origins = branches([*missing, *late])
    gone = []
    for commit in tqdm(missing, unit=" commits", disable=not missing):
        with run_of(commit, keys[commit], *origins[commit]) as run:
            tracker.log(run)
            gone += [] if run.model else [commit.sha[:SHORT]]
    for commit in late:
        with run_of(commit, keys[commit], *origins[commit]) as run:
            tracker.add(run, verdict(commit.sha))
    # Another machine may have logged the same meanwhile; the lock is this one's.
    twins += tracker.unite([keys[commit] for commit in missing]) if missing else 0
    return outcome(len(missing), len(keys) - len(missing), (halves, twins), gone)


def branches(commits: list[repository.Commit]) -> dict[repository.Commit, tuple[str, str]]:
    """The branch of each, and the subject that may name its pull request."""
    merges, here = (lineage.merges(), lineage.current()) if commits else ({}, "")
    found = {}
    for commit in commits:
        merge = merges.get(commit.sha)
        branch = here if merge is None else lineage.branch(merge)
        found[commit] = branch, merge or commit.subject
    return found


def is_late(tracker: Tracker, key: Key) -> bool:
    """Whether the gate's verdict on a commit came after its run."""
    evidence = verdict(key.commit)
    return bool(evidence.tags) and tracker.lacks(key, evidence)


def outcome(logged: int, known: int, deleted: tuple[int, int], gone: list[str]) -> str:
    """What was done, in a sentence or three; deleted are half runs, and second ones."""
    text = f"{logged} logged, {known} already there"
    for count, kind in zip(deleted, ("half", "second"), strict=True):
        text += f", {count} {kind} run{'s' * (count > 1)} deleted" if count else ""
    if gone:
        text += f"\nwithout a model, as the store lacks it: {', '.join(gone)}"
    return text


def key_of(commit: str) -> Key | None:
    """The key of a commit's run; None where the commit deleted dvc.lock."""
    lock = repository.lock(commit)
    return Key(commit, lock.digest) if lock else None


@contextmanager
def run_of(commit: repository.Commit, key: Key, branch: str, request: str) -> Iterator[Run]:
    """A commit as a run; the model's files are there until the block ends.

    `request` is the subject that may name a pull request.
    """
    lock = repository.lock(commit.sha)
    assert lock is not None
    with TemporaryDirectory() as folder:
        model = asset(commit.sha, lock, Path(folder))
        evidence = merge(figures(commit.sha), verdict(commit.sha))
        yield Run(
            key=key,
            name=f"{commit.sha[:SHORT]} {commit.subject}",
            when=datetime.fromisoformat(commit.when).timestamp(),
            params=settings(commit.sha),
            evidence=merge(evidence, Evidence(tags=tags(commit, lock, branch, request, model))),
            parent=parent_key(commit),
            datasets=datasets(commit.sha, lock),
            model=model,
        )


def parent_key(commit: repository.Commit) -> Key | None:
    """The key of the trained commit before; None if this is the first."""
    before = lineage.origin(commit.parents[0]) if commit.parents else None
    return key_of(before) if before else None


def settings(commit: str) -> dict[str, str]:
    """What was tried and what judged, of params.yaml and gate.yaml of a commit."""
    found: dict[str, Any] = {}
    for path in (config.PARAMS, config.RULES):
        found |= yaml.safe_load(repository.text(commit, path.as_posix()) or "") or {}
    return flat(found) if found else {}


def tags(
    commit: repository.Commit, lock: repository.Lock, branch: str, request: str, model: Asset | None
) -> dict[str, str]:
    """What the run is found by."""
    return {
        "author": commit.author,
        "subject": commit.subject,
        "branch": branch,
        "pull_request": lineage.request(request),
        "data": lock.data or "",
        "model": lock.model or "",
        "model_state": "stored" if model else "gone from the store",
    }


def flat(value: Any, name: str = "") -> dict[str, str]:
    """Nested mappings as one, with dotted names and values as text."""
    if isinstance(value, dict) and value:
        return {
            key: text
            for child, one in value.items()
            for key, text in flat(one, f"{name}.{child}" if name else str(child)).items()
        }
    return {name: value if isinstance(value, str) else json.dumps(value, default=str)}


def figures(commit: str) -> Evidence:
    """Metrics, metrics of the slices, and the points of the plots, as the commit has them."""
    measured = load_json(commit, paths.METRICS.as_posix()) or {}
    sliced = load_json(commit, paths.SLICES.as_posix()) or []
    listing = repository.git("ls-tree", "--name-only", commit, f"{PLOTS}/") or ""
    plots = {path: repository.text(commit, path) or "" for path in listing.splitlines()}
    names = distinct()
    metrics = numbers(measured, MAIN) | {
        key: value
        for row in sliced
        for key, value in numbers(
            row, f"slices/{names(row['column'])}/{names(row['value'])}/"
        ).items()
    }
    stages = repository.text(commit, paths.STAGES.as_posix()) or ""
    return Evidence(
        metrics=metrics,
        tables=points(plots) | ({"slices.json": sliced} if sliced else {}),
        pictures=pictures(stages, plots),
    )


def points(plots: Mapping[str, str]) -> dict[str, Any]:
    """The points of the plots as tables; one without points is left out."""
    found = {path.removeprefix("artifacts/"): json.loads(text) for path, text in plots.items()}
    return {path: rows for path, rows in found.items() if rows}


def load_json(commit: str, path: str) -> Any:
    """A JSON file of a commit; None if it has none."""
    text = repository.text(commit, path)
    return None if text is None else json.loads(text)


def numbers(figures: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """The numbers among the values; what is undefined is left out."""
    return {
        prefix + name: float(value)
        for name, value in figures.items()
        if isinstance(value, (int, float))
    }


def distinct() -> Callable[[object], str]:
    """A function that makes a part of a metric's name of any text, another one for another text."""
    taken: dict[str, str] = {}

    def name(value: object) -> str:
        text = str(value)
        safe = re.sub(r"[^\w \-.]", "_", text).strip(" .")[:LONGEST] or "_"
        if taken.setdefault(safe, text) != text:
            safe = f"{safe} {sha256(text.encode()).hexdigest()[:SHORT]}"
        return safe

    return name


def verdict(commit: str) -> Evidence:
    """What the gate said, if artifacts/gate.json is about this commit."""
    try:
        text = GATE.read_text("utf-8")
    except OSError:
        return Evidence()
    found = json.loads(text)
    if not is_about(found.get("commit"), commit):
        return Evidence()
    names = distinct()
    metrics = {
        f"verdict/{check['kind']}/{names(check['name'])}": float(check["value"])
        for check in found["checks"]
        if check["value"] is not None
    }
    state = "passed" if found["passed"] else found.get("state", "refused")
    return Evidence(
        tags={"gate": state}, metrics=metrics, files={"gate.json": text, **report(commit)},
        tables={"gate-table.json": found["checks"]} if found["checks"] else {},
    )  # fmt: skip


def is_about(judged: str | None, commit: str) -> bool:
    """Whether what judged one commit judged another's model: a merge trains nothing of its own."""
    if judged is None or judged == commit:
        return judged == commit
    return bool(repository.commit(judged)) and lineage.origin(judged) == commit


def report(commit: str) -> dict[str, str]:
    """The report on a commit as Markdown and as a page, if artifacts/report.md is about it."""
    try:
        text = paths.REPORT.read_text("utf-8")
    except OSError:
        return {}
    named = CHECKOUT.search(text)
    if named is None or not is_about(named[1], commit):
        return {}
    return {"report.md": text, "report.html": page(text)}


def page(text: str) -> str:
    """Markdown as a page that a tracker shows."""
    from markdown_it import MarkdownIt

    plain = CHART.sub("", text)
    return f"{STYLE}{MarkdownIt('commonmark').enable('table').render(plain)}"


def merge(*parts: Evidence) -> Evidence:
    """All of it together."""
    return Evidence(
        **{
            name: {key: value for part in parts for key, value in getattr(part, name).items()}
            for name in ("tags", "metrics", "files", "tables", "pictures")
        }
    )


def datasets(commit: str, lock: repository.Lock) -> list[Dataset]:
    """The raw data of a commit and the two sets made from it: md5 and where the object lies."""
    rules = yaml.safe_load(repository.text(commit, "schema.yaml") or "") or {}
    columns = {name: column["type"] for name, column in rules.get("columns", {}).items()}
    profile = load_json(commit, paths.DATA.as_posix()) or {}
    rows = {"raw": profile.get("rows")}
    return [
        Dataset(role, f"{role}.parquet", md5, address(md5), columns, {"rows": rows.get(role)})
        for role in ROLES
        if (md5 := lock.hash(Path(f"data/{role}.parquet")))
    ]


def address(md5: str) -> str:
    """Where the store keeps an object."""
    return f"{store()}/files/md5/{md5[:2]}/{md5[2:]}"


def store() -> str:
    """The address of the store, as .dvc/config names it; a folder relative to the project."""
    from configparser import ConfigParser

    config = ConfigParser(interpolation=None)
    config.read(".dvc/config")
    url = next((part["url"] for part in config.values() if "url" in part), "")
    return url if "://" in url else url.removeprefix("../")


def asset(commit: str, lock: repository.Lock, into: Path) -> Asset | None:
    """The model of a commit out of the store, and what it needs; None if it is gone."""
    folder = repository.fetch(commit, paths.MODEL.as_posix(), into) if lock.model else None
    if folder is None:
        return None
    kind = json.loads((folder / "signature.json").read_text("utf-8"))["format"]
    code = [] if kind == "onnx" else [code_package(commit, folder, into)]
    return Asset(folder, str(lock.model), requirements(commit, NEEDED[kind]), code)


def code_package(commit: str, folder: Path, into: Path) -> Path:
    """The package, copied below `into`, that a pickled pipeline names and its folder lacks.

    The folder has the project's own; a folder from before there was a library names them all `ml`.
    """
    if (folder / "features.py").exists():
        return lineage.folder(commit, "src/ml", into)
    for path in LIGHT:
        text = resources.files("mlgitops").joinpath(path).read_text("utf-8")
        file = into / "mlgitops" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return into / "mlgitops"


def requirements(commit: str, names: tuple[str, ...]) -> list[str]:
    """The packages with the versions of the commit's uv.lock, else with those installed here."""
    text = repository.text(commit, "uv.lock") or ""
    locked = {one["name"]: one.get("version") for one in tomllib.loads(text).get("package", [])}
    return [f"{name}=={locked.get(name) or version(name)}" for name in names]


def log_trials(tracker: Tracker) -> str:
    """Log the trials of every study that `mlgitops tune` left; a line that says what was done."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(TRIALS.glob("*.json"))]
    if not found:
        raise UserError(f"{TRIALS} holds no trials: make tune")
    added = sum(tracker.search(search_of(study)) for study in found)
    total = sum(len(study["trials"]) for study in found)
    return f"{added} trials logged, {total - added} already there"


def search_of(study: Mapping[str, Any]) -> Search:
    """A study of `mlgitops tune` as the tracker takes it."""
    trials = [
        Trial(
            number=one["number"],
            when=one["when"],
            params=flat(one["params"]) if one["params"] else {},
            metrics=numbers({study["metric"]: one["value"], "spread": one["spread"]}, "cv/"),
            tags={"present": str(one["number"] == 0).lower(), "reason": one["reason"] or ""},
        )
        for one in study["trials"]
    ]
    return Search(
        key=study["key"],
        name=f"tune {study['key'][:SHORT]}",
        params=flat(study["settings"]),
        tags={"metric": study["metric"], "data": study["data"]},
        trials=trials,
    )
