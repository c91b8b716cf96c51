"""Runs in Weights & Biases: on its server, or without an account as files in the folder wandb/.

The server's part, which no test can reach, is in `wandb_server`.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Before W&B is loaded: it reports its errors over the network otherwise, and talks while it works.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("WANDB_DATA_DIR", str(Path("wandb", "data").resolve()))

import wandb
from wandb.errors import Error

from mlgitops.core import files
from mlgitops.core.errors import UserError, explain
from mlgitops.tracking import wandb_server
from mlgitops.tracking.base import Asset, Dataset, Evidence, Key, Run, Search, Table

FOLDER = Path("wandb")
RECORD = "complete.json"  # in the folder of a run: what was logged; the last that is written
PATIENCE = 20  # seconds
OFFLINE = (
    "W&B is offline here, and aliases are the server's: `wandb login`, `wandb sync --sync-all`, "
    "then make register"
)


@dataclass(frozen=True)
class Runs:
    """Where W&B's runs of a project go; `server` is None where W&B is offline."""

    project: str
    server: wandb_server.Server | None

    @contextmanager
    def open(
        self, name: str, title: str, config: Mapping[str, Any], kind: str, group: str = ""
    ) -> Iterator[Any]:
        """A run of W&B in the block; what ends it early leaves it half."""
        made = wandb.init(
            project=self.project,
            id=name,
            name=title,
            config={**config, "kind": kind},
            tags=[kind, *([f"gate: {config['gate']}"] if "gate" in config else [])],
            group=group or None,
            job_type=kind,
            dir=str(FOLDER.parent.resolve()),
            mode="online" if self.server else "offline",
            resume="allow" if self.server else None,
            settings=_settings(),
        )
        try:
            yield made
        except BaseException:
            made.finish(exit_code=1)
            raise

    def finish(self, made: Any, record: Mapping[str, Any]) -> None:
        """Say as the last thing that a run is complete, and end it."""
        folder = Path(made.dir).parent
        made.summary["complete"] = True
        made.finish()
        if self.server is None:
            _wait(folder / f"run-{made.id}.wandb")
        files.write_json(dict(record), folder / RECORD)

    def ui(self) -> None:
        """Name the server's page; offline, W&B shows the folder in the terminal."""
        if self.server:
            print(self.server.address())
            return
        if not FOLDER.is_dir():
            raise UserError("nothing is logged yet: make track")
        program = str(Path(sys.executable).with_name("wandb"))
        subprocess.run([program, "leet", str(FOLDER)], check=False)  # noqa: S603


@dataclass(frozen=True)
class WandB(Runs):
    """The runs and the models of one project."""

    def complete(self) -> set[Key]:
        """The keys of the runs that are there as a whole."""
        if self.server:
            return self.server.complete()
        return {Key(one["commit"], one["lock"]) for one in _records() if "lock" in one}

    def clear(self, keys: Collection[Key]) -> int:
        """Delete the folders of runs of these keys that were left half done; how many that was.

        On the server a run's number is never free again: `log` completes the half run there.
        """
        if self.server:
            return 0
        halves = [one for key in keys for one in _folders(number(key)) if not _is_complete(one)]
        for folder in halves:
            shutil.rmtree(folder)
        return len(halves)

    def unite(self, keys: Collection[Key]) -> int:
        """Delete all but the newest of the folders of each key; the server cannot have two."""
        twins = [one for key in keys for one in sorted(_folders(number(key)))[:-1]]
        for folder in twins if not self.server else ():
            shutil.rmtree(folder)
        return 0 if self.server else len(twins)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other command in this folder writes in the block; what fails there is a UserError."""
        with files.alone(FOLDER / "track"), _sentences():
            yield

    def log(self, run: Run) -> None:
        """Add a run, or complete a half one; `complete` is the last that it gets."""
        tags = run.evidence.tags
        config = {**run.params, **_identity(run.key), **tags, "committed": run.when}
        if run.parent:
            config |= {"parent": run.parent.commit, "parent_run": number(run.parent)}
        with self.open(number(run.key), run.name, config, "commit") as made:
            for dataset in run.datasets:
                _use(made, self.project, dataset)
            if run.model:
                _log_model(made, self.project, run.model, run.key)
            _write(made, run.evidence, run.when)
            self.finish(made, {**_identity(run.key), **_facts(run.evidence)})

    def lacks(self, key: Key, evidence: Evidence) -> bool:
        """Whether a complete run does not have these tags and figures."""
        if self.server:
            return self.server.lacks(number(key), evidence)
        known = [json.loads((one / RECORD).read_text("utf-8")) for one in _folders(number(key))]
        return not any(
            evidence.tags.items() <= one["tags"].items()
            and evidence.metrics.items() <= one["metrics"].items()
            for one in known
        )

    def add(self, run: Run, evidence: Evidence) -> None:  # noqa: ARG002
        """Log the run again, under its number: what became known later is in it."""
        for folder in [] if self.server else _folders(number(run.key)):
            shutil.rmtree(folder)
        self.log(run)

    def search(self, search: Search) -> int:
        """Add the trials that are not there, as runs of one group; how many were added."""
        known = self.server.trials(search.key) if self.server else _trials(search.key)
        missing = [trial for trial in search.trials if trial.number not in known]
        for trial in missing:
            name = sha256(f"{search.key} {trial.number}".encode()).hexdigest()[:16]
            for folder in _folders(name) if not self.server else ():
                shutil.rmtree(folder)
            config: dict[str, Any] = {**search.params, **trial.params, **search.tags, **trial.tags}
            config |= {"study": search.key, "trial": trial.number}
            with self.open(name, f"trial {trial.number}", config, "trial", search.name) as made:
                _write(made, Evidence(metrics=trial.metrics), trial.when)
                self.finish(made, {"study": search.key, "trial": trial.number})
        return len(missing)

    def version(self, commit: str) -> str | None:
        """The version of a trained commit's model on the server; None if there is none."""
        if self.server is None:
            raise UserError(OFFLINE)
        return self.server.version(commit)

    def alias(self, name: str, version: str | None) -> bool:
        """Let the alias name this version alone, or none; whether that was another before."""
        if self.server is None:
            raise UserError(OFFLINE)
        return self.server.alias(name, version)


def connect(project: str) -> WandB:
    """W&B's server where there is an account, else the folder wandb/ of the project."""
    with _sentences():
        return WandB(project, wandb_server.connect(project))


def number(key: Key) -> str:
    """What W&B knows a run by: the same for the same commit, so no run is there twice."""
    return sha256(f"{key.commit} {key.lock}".encode()).hexdigest()[:16]


@contextmanager
def _sentences() -> Iterator[None]:
    """What W&B cannot do in the block is said in a sentence."""
    try:
        yield
    except (Error, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        login = "wandb login, or WANDB_MODE=offline to keep the runs in wandb/"
        raise UserError(f"Weights & Biases: {reason}\n{explain(error) or login}") from error


def _settings() -> wandb.Settings:
    """Nothing of this machine: what a run holds comes from Git and the store."""
    return wandb.Settings(
        silent=True,
        console="off",
        disable_code=True,
        disable_git=True,
        disable_job_creation=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
        host="none",
        username="none",
        email="none",
    )


def _identity(key: Key) -> dict[str, str]:
    return {"commit": key.commit, "lock": key.lock}


def _facts(evidence: Evidence) -> dict[str, Any]:
    """What `lacks` compares."""
    return {"tags": dict(evidence.tags), "metrics": dict(evidence.metrics)}


def _wait(path: Path) -> None:
    """Return when W&B's process has written a run to its end, which `finish` does not wait for."""
    until = time.monotonic() + PATIENCE
    while b"complete" not in path.read_bytes():
        if time.monotonic() > until:
            raise UserError("W&B did not write the whole run: run the command again")
        time.sleep(0.01)


def _folders(name: str) -> list[Path]:
    """The folders of a run."""
    return list(FOLDER.glob(f"offline-run-*-{name}"))


def _is_complete(folder: Path) -> bool:
    return (folder / RECORD).is_file()


def _records() -> list[dict[str, Any]]:
    """What was logged as a whole."""
    found = FOLDER.glob(f"offline-run-*/{RECORD}")
    return [json.loads(path.read_text("utf-8")) for path in found]


def _trials(study: str) -> set[int]:
    return {one["trial"] for one in _records() if one.get("study") == study}


def _use(made: Any, project: str, data: Dataset) -> None:
    """Let the run have used a table: a pointer with its md5, not a copy; the store has the rows.

    The same rows are the same version. `use_artifact` would do this, and refuses offline.
    """
    facts = {"address": data.address, "profile": dict(data.profile)}
    pointer = wandb.Artifact(f"{project}-{data.role}", type="dataset", metadata=facts)
    path = Path(made.dir).parent / "artifacts" / f"{data.role}.json"
    files.write_json({"name": data.name, "md5": data.digest, "schema": dict(data.schema)}, path)
    pointer.add_file(str(path), "dataset.json", policy="immutable", skip_cache=True)
    aliases = [data.digest.partition(".")[0]]
    made._log_artifact(pointer, aliases=aliases, is_user_created=True, use_after_commit=True)


def _log_model(made: Any, project: str, asset: Asset, key: Key) -> None:
    """Log the model's folder, with what it needs; its aliases are the commit and the md5."""
    folder = Path(made.dir).parent / "artifacts" / "model"
    shutil.copytree(asset.folder, folder)
    for code in asset.code:
        shutil.copytree(code, folder / "code" / code.name)
    needed = "".join(f"{one}\n" for one in asset.requirements)
    (folder / "requirements.txt").write_text(needed, encoding="utf-8")
    facts = {"md5": asset.digest, "commit": key.commit}
    model = wandb.Artifact(project, type="model", metadata=facts)
    model.add_dir(str(folder), policy="immutable", skip_cache=True)
    made.log_artifact(model, aliases=[key.commit, asset.digest.partition(".")[0]])


def _write(made: Any, evidence: Evidence, when: float) -> None:
    """Figures, tables, pictures and pages of a run, in one step."""
    shown: dict[str, Any] = dict(evidence.metrics)
    shown |= {_bare(path): _table(rows) for path, rows in evidence.tables.items()}
    with TemporaryDirectory() as folder:
        for path, picture in evidence.pictures.items():
            file = Path(folder, Path(path).name)
            file.write_bytes(picture)
            shown[_bare(path)] = wandb.Image(str(file))
        pages = {path: text for path, text in evidence.files.items() if path.endswith(".html")}
        shown |= {_bare(path): wandb.Html(text, inject=False) for path, text in pages.items()}
        made.log({**shown, "_timestamp": when})
    for path, text in evidence.files.items():
        file = Path(made.dir, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        made.save(str(file), base_path=made.dir, policy="now")


def _bare(path: str) -> str:
    """A path without its ending: the name of a panel."""
    return str(Path(path).with_suffix(""))


def _table(rows: Table) -> wandb.Table:
    """A table of W&B, whose columns may hold numbers, text and nothing."""
    columns: list[str | int] = list(dict.fromkeys(name for row in rows for name in row))
    data = [[row.get(str(name)) for name in columns] for row in rows]
    return wandb.Table(columns=columns, data=data, allow_mixed_types=True)
