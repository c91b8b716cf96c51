"""Runs in MLflow: on the server at MLFLOW_TRACKING_URI, else in SQLite in the project."""

import json
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Before MLflow is loaded: it reports its use over the network otherwise, and talks while it works.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")

from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset as Input,
)
from mlflow.entities import (
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
)
from mlflow.entities import Run as Logged
from mlflow.exceptions import MlflowException
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from mlgitops.core import files
from mlgitops.core.errors import UserError
from mlgitops.tracking import served_model
from mlgitops.tracking.base import Asset, Dataset, Evidence, Key, Run, Search, Trial

DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlartifacts")
TABLES = "mlflow.loggedArtifacts"  # the tag by which MLflow's pages find tables
# What to do about what SQLite says; half a database is what a release before the lock left.
ADVICE = dict.fromkeys(
    ("duplicate column", "already exists", "no such table", "malformed", "not a database"),
    f"\nDelete {DATABASE}; `make track ALL=1` makes it again, from Git",
) | {
    "disk is full": "\nFree some space, then run the command again",
    "disk I/O error": "\nIf the disk is full, free some space; then run the command again",
    "readonly": f"\n{DATABASE} cannot be written here",
    "unable to open": f"\n{DATABASE} cannot be written here",
}
AT_ONCE = 100  # MLflow takes at most so many params and tags, and ten times as many metrics
TYPES = {"integer": "long", "category": "string", "boolean": "boolean", "time": "datetime"}


@dataclass(frozen=True)
class MLflow:
    """The runs and the models of one project, in the experiment and under the model of its name."""

    project: str
    address: str
    client: MlflowClient
    experiment: str

    def complete(self) -> set[Key]:
        """The keys of the runs that are there as a whole."""
        return {_key(run) for run in self.runs("tags.kind = 'commit' and tags.complete = 'true'")}

    def clear(self, keys: Collection[Key]) -> int:
        """Delete the runs of these keys that were left half done; how many that was."""
        halves = [
            run
            for run in self.runs("tags.kind = 'commit'")
            if "complete" not in run.data.tags and _key(run) in keys
        ]
        for run in halves:
            self.delete(run)
        return len(halves)

    def unite(self, keys: Collection[Key]) -> int:
        """Delete all but one of the complete runs of each key; how many that was.

        The one with the newest version stays, which the aliases name.
        """
        groups: dict[Key, list[Logged]] = {}
        for run in self.runs("tags.kind = 'commit' and tags.complete = 'true'"):
            groups.setdefault(_key(run), []).append(run)
        twins = {key: groups[key] for key in keys if len(groups.get(key, ())) > 1}
        for key, runs in twins.items():
            *others, kept = sorted(runs, key=self.rank)
            for run in others:
                self.delete(run)
            self.adopt(kept.info.run_id, key.commit)
        return sum(len(runs) - 1 for runs in twins.values())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other command in this folder writes in the block; what fails there is a UserError."""
        with files.alone(DATABASE), _sentences(self.address):
            yield

    def log(self, run: Run) -> None:
        """Add a run; `complete` is the last that it gets."""
        made = self.client.create_run(
            self.experiment, _milliseconds(run.when), _tags(run), run_name=run.name
        )
        number = made.info.run_id
        model = self.model(number, run.model, run.key) if run.model else None
        self.client.log_inputs(number, [_input(one) for one in run.datasets])
        self.write(number, run.evidence, run.params, run.when, model)
        self.link(number, run)
        self.finish(number, run.when)

    def lacks(self, key: Key, evidence: Evidence) -> bool:
        """Whether a complete run does not have these tags and figures."""
        return any(
            not (
                evidence.tags.items() <= run.data.tags.items()
                and evidence.metrics.items() <= run.data.metrics.items()
            )
            for run in self.whole(key)
        )

    def add(self, run: Run, evidence: Evidence) -> None:
        """Add to a complete run what became known later; what it has stays."""
        for found in self.whole(run.key):
            number, known = found.info.run_id, found.data.tags.get(TABLES, "[]")
            self.write(number, evidence, {}, run.when, None)
            tables = [*json.loads(known), *json.loads(_tables(evidence))]
            kept = {table["path"]: table for table in tables}
            self.client.set_tag(number, TABLES, json.dumps(list(kept.values())))

    def whole(self, key: Key) -> list[Logged]:
        """The complete runs of a key."""
        query = f"tags.commit = '{key.commit}' and tags.lock = '{key.lock}'"
        return list(self.runs(f"{query} and tags.complete = 'true'"))

    def search(self, search: Search) -> int:
        """Add the trials that are not there under one parent; how many were added."""
        parent = self.parent(search)
        known: set[str | None] = set()
        for run in list(self.runs(f"tags.mlflow.parentRunId = '{parent}'")):
            number = run.data.tags.get("trial")
            if "complete" not in run.data.tags or number in known:
                self.delete(run)
            else:
                known.add(number)
        missing = [trial for trial in search.trials if str(trial.number) not in known]
        for trial in missing:
            self.trial(parent, search, trial)
        return len(missing)

    def version(self, commit: str) -> str | None:
        """The registered version of a trained commit's model; None if there is none."""
        query = f"name = '{self.project}' and tags.commit = '{commit}'"
        found = [int(one.version) for one in self.client.search_model_versions(query)]
        return str(max(found)) if found else None

    def alias(self, name: str, version: str | None) -> bool:
        """Let the alias name this version alone, or none; whether that was another before."""
        models = self.client.search_registered_models(f"name = '{self.project}'")
        before = next((str(number) for one in models if (number := one.aliases.get(name))), None)
        if before == version:
            return False
        if version is None:
            self.client.delete_registered_model_alias(self.project, name)
        else:
            self.client.set_registered_model_alias(self.project, name, version)
        return True

    def ui(self) -> None:
        """Open MLflow's pages, which need the whole package: uv runs it beside the project."""
        if self.address.startswith("http"):
            print(self.address)
            return
        package = f"mlflow=={version('mlflow-skinny')}"
        command = ["uv", "tool", "run", "--from", package, "mlflow", "ui"]
        try:
            subprocess.run([*command, "--backend-store-uri", self.address], check=False)  # noqa: S603
        except FileNotFoundError:
            raise UserError(
                "uv is not installed: make setup, or https://docs.astral.sh/uv"
            ) from None

    def runs(self, query: str) -> Iterator[Logged]:
        """The runs that are not deleted, of a query."""
        token = None
        while True:
            page = self.client.search_runs([self.experiment], query, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def delete(self, run: Logged) -> None:
        """Delete a run with the model that it made."""
        number = run.info.run_id
        for made in self.client.search_model_versions(f"run_id = '{number}'"):
            self.client.delete_model_version(made.name, made.version)
        for model in self.client.search_logged_models(
            [self.experiment], f"source_run_id = '{number}'"
        ):
            self.client.delete_logged_model(model.model_id)
        self.client.delete_run(number)

    def finish(self, number: str, when: float) -> None:
        """End a run, and say as the last thing that it is complete."""
        self.client.set_terminated(number, end_time=_milliseconds(when))
        self.client.set_tag(number, "complete", "true")

    def link(self, number: str, run: Run) -> None:
        """Tie a run to its parent's, and its children's to it, in whatever order they came."""
        if run.parent:
            for parent in self.runs(
                f"tags.kind = 'commit' and tags.commit = '{run.parent.commit}'"
            ):
                self.client.set_tag(number, "parent_run", parent.info.run_id)
        self.adopt(number, run.key.commit)

    def adopt(self, number: str, commit: str) -> None:
        """Tie the runs whose parent is a commit to that commit's run."""
        for child in self.runs(f"tags.parent = '{commit}'"):
            self.client.set_tag(child.info.run_id, "parent_run", number)

    def rank(self, run: Logged) -> tuple[int, str]:
        """The newest version of a run's model, 0 if it has none, and the run's number."""
        found = self.client.search_model_versions(f"run_id = '{run.info.run_id}'")
        return max((int(one.version) for one in found), default=0), run.info.run_id

    def write(
        self,
        number: str,
        evidence: Evidence,
        params: Mapping[str, str],
        when: float,
        model: str | None,
    ) -> None:
        """Params, figures, tags and files of a run; the figures belong to the model as well."""
        moment = _milliseconds(when)
        tags = dict(evidence.tags) | ({TABLES: _tables(evidence)} if evidence.tables else {})
        figures = [
            Metric(name, value, moment, 0, model) for name, value in evidence.metrics.items()
        ]
        settings = [Param(name, value) for name, value in params.items()]
        marks = [RunTag(name, value) for name, value in tags.items()]
        for start in range(0, max(len(figures), len(settings), len(marks)), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            self.client.log_batch(number, figures[part], settings[part], marks[part])
        with TemporaryDirectory() as folder:
            for path, content in _contents(evidence).items():
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            self.client.log_artifacts(number, folder)

    def model(self, number: str, asset: Asset, key: Key) -> str:
        """Log and register the model of a run; its id."""
        made = self.client.create_logged_model(
            self.experiment, "model", number, {"commit": key.commit, "md5": asset.digest}
        )
        with TemporaryDirectory() as folder:
            _save(asset, Path(folder, "model"), made, number)
            self.client.log_model_artifacts(made.model_id, str(Path(folder, "model")))
        self.client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        self.client.log_outputs(number, [LoggedModelOutput(made.model_id, step=0)])
        self.register(number, made.model_id, asset, key)
        return str(made.model_id)

    def register(self, number: str, model: str, asset: Asset, key: Key) -> None:
        """Make the model a version of the project's registered model."""
        try:
            self.client.create_registered_model(self.project)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        self.client.create_model_version(
            self.project,
            f"models:/{model}",
            number,
            tags={"commit": key.commit, "md5": asset.digest},
            model_id=model,
        )

    def parent(self, search: Search) -> str:
        """The run that the trials of a search are under; made if it is not there."""
        for run in self.runs(f"tags.kind = 'search' and tags.study = '{search.key}'"):
            if "complete" in run.data.tags:
                return str(run.info.run_id)
            self.delete(run)
        first = min(trial.when for trial in search.trials)
        tags = {"kind": "search", "study": search.key, **search.tags}
        made = self.client.create_run(
            self.experiment, _milliseconds(first), tags, run_name=search.name
        )
        self.write(made.info.run_id, Evidence(), search.params, first, None)
        self.finish(made.info.run_id, first)
        return str(made.info.run_id)

    def trial(self, parent: str, search: Search, trial: Trial) -> None:
        """Add a trial under its parent."""
        tags = {"kind": "trial", "study": search.key, "trial": str(trial.number), **trial.tags}
        made = self.client.create_run(
            self.experiment,
            _milliseconds(trial.when),
            tags | {"mlflow.parentRunId": parent},
            run_name=f"trial {trial.number}",
        )
        self.write(
            made.info.run_id, Evidence(metrics=trial.metrics), trial.params, trial.when, None
        )
        self.finish(made.info.run_id, trial.when)


def connect(project: str) -> MLflow:
    """MLflow at MLFLOW_TRACKING_URI, else in the project's own database."""
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    address = server or f"sqlite:///{DATABASE.resolve()}"
    artifacts = None if server else ARTIFACTS.resolve().as_uri()
    if not server:
        event.listen(Engine, "connect", _without_waiting)
    with _sentences(address):
        if not server and not DATABASE.exists():
            with files.alone(DATABASE):
                _make_database()
        client = MlflowClient(address)
        if found := client.get_experiment_by_name(project):
            return MLflow(project, address, client, found.experiment_id)
        with files.alone(DATABASE):
            found = client.get_experiment_by_name(project)
            number = found.experiment_id if found else client.create_experiment(project, artifacts)
        return MLflow(project, address, client, number)


def _make_database() -> None:
    """The project's own database, whole or not at all: MLflow cannot go on with half of one."""
    if DATABASE.exists():  # Another command has made it meanwhile.
        return
    part = DATABASE.with_name(f"{DATABASE.name}.part")
    for left in Path().glob(f"{part.name}*"):  # What a killed command left, its journal too.
        left.unlink()
    MlflowClient(f"sqlite:///{part.resolve()}").search_experiments(max_results=1)
    part.replace(DATABASE)


@contextmanager
def _sentences(address: str) -> Iterator[None]:
    """What MLflow or its database cannot do in the block is said in a sentence."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, CommandError) as error:
        reason = " ".join(str(error).split())[:200]
        advice = next((text for words, text in ADVICE.items() if words in reason), "")
        raise UserError(f"MLflow at {address.rpartition('@')[2]}: {reason}{advice}") from error


def _without_waiting(connection: Any, _: Any) -> None:
    """Let SQLite not wait for the disk: Git can rebuild what a power failure would break."""
    connection.execute("PRAGMA synchronous = OFF")


def _key(run: Logged) -> Key:
    return Key(run.data.tags.get("commit", ""), run.data.tags.get("lock", ""))


def _milliseconds(when: float) -> int:
    return round(when * 1000)


def _tags(run: Run) -> dict[str, str]:
    """What a run has from its first moment, so that a half one is found, and what pages show."""
    author, branch = run.evidence.tags.get("author", ""), run.evidence.tags.get("branch", "")
    tags = {
        "kind": "commit",
        "commit": run.key.commit,
        "lock": run.key.lock,
        "mlflow.source.git.commit": run.key.commit,
        "mlflow.source.git.branch": branch,
        "mlflow.user": author,
    }
    return tags | ({"parent": run.parent.commit} if run.parent else {})


def _input(data: Dataset) -> DatasetInput:
    """A table as MLflow shows it: digest, address, columns, profile."""
    scheme, _, _ = data.address.partition("://")
    kind = scheme if "://" in data.address else "local"
    columns = [
        {"type": TYPES.get(kind, "double"), "name": name, "required": True}
        for name, kind in data.schema.items()
    ]
    entity = Input(
        data.name,
        data.digest,
        kind,
        json.dumps({"uri": data.address}),
        json.dumps({"mlflow_colspec": columns}),
        json.dumps(data.profile),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", data.role)])


def _tables(evidence: Evidence) -> str:
    """The value of the tag that names the tables."""
    return json.dumps([{"path": path, "type": "table"} for path in evidence.tables])


def _contents(evidence: Evidence) -> dict[str, bytes]:
    """The files of a run by path; a table in the form that MLflow's pages read."""
    texts = dict(evidence.files)
    for path, rows in evidence.tables.items():
        columns = list(dict.fromkeys(name for row in rows for name in row))
        data = [[row.get(name) for name in columns] for row in rows]
        texts[path] = json.dumps({"columns": columns, "data": data})
    return {path: text.encode() for path, text in texts.items()} | dict(evidence.pictures)


def _save(asset: Asset, folder: Path, made: Any, number: str) -> None:
    """Write the model as MLflow loads it, both as a function of tables and as ONNX."""
    import pandas as pd
    from mlflow import pyfunc
    from mlflow.models import Model

    found = json.loads((asset.folder / "signature.json").read_text("utf-8"))
    example = pd.DataFrame(list(found["examples"]))
    saved = Model(
        artifact_path=made.artifact_location,
        run_id=number,
        model_uuid=made.model_id,
        model_id=made.model_id,
    )
    if found["format"] == "onnx":
        saved.add_flavor("onnx", data=f"data/{asset.folder.name}/model.onnx", code="code")
    pyfunc.save_model(
        str(folder),
        loader_module="served_model",
        data_path=str(asset.folder),
        code_paths=[served_model.__file__, *map(str, asset.code)],
        mlflow_model=saved,
        signature=_signature(found),
        input_example=_example_rows(example, found["inputs"]),
        pip_requirements=list(asset.requirements),
    )


def _kind(column: Mapping[str, Any]) -> str:
    """The column's type in MLflow; whole numbers that may be missing are floats in pandas."""
    if column["nullable"] and column["type"] in ("integer", "number"):
        return "double"
    return TYPES.get(column["type"], "double")


def _example_rows(example: Any, inputs: list[dict[str, Any]]) -> Any:
    """The example rows with the types of the signature."""
    wanted = {"double": "float64", "long": "int64", "string": "object", "boolean": "object"}
    return example.astype({one["name"]: wanted[_kind(one)] for one in inputs})


def _signature(found: Mapping[str, Any]) -> Any:
    """signature.json as MLflow's signature: plain columns in, `predict`'s columns out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs: list[Any] = [
        ColSpec(_kind(one), one["name"], required=not one["nullable"]) for one in found["inputs"]
    ]
    labels = found["labels"]
    if labels is None:
        outputs: list[Any] = [ColSpec("float", "value")]
    else:
        whole = all(isinstance(label, int) for label in labels)
        outputs = [ColSpec("long" if whole else "string", "label")]
        outputs += [ColSpec("float", f"probability_{label}") for label in labels]
    return ModelSignature(Schema(inputs), Schema(outputs))
