"""A small project with commits and a store, made without runs of DVC, which take long."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ml import data, infer, model, params, schema
from ml.stages.evaluate import evaluate
from ml.stages.export import export
from ml.stages.prepare import prepare
from ml.stages.train import train
from ml.stages.validate import validate
from ops import environments, history

TEMPLATE = Path(__file__).parents[2]
RAW, TRAIN, TEST = (Path(f"data/{name}.parquet") for name in ("raw", "train", "test"))
FITTED, DATA = Path("artifacts/fitted.joblib"), Path("artifacts/data.json")
PARITY, METRICS, SLICES, PLOTS = (
    Path("artifacts", name) for name in ("parity.json", "metrics.json", "slices.json", "plots")
)
IMAGE = f"localhost:5000/bees@sha256:{'a' * 64}"
NO_MODEL, NO_DATA = f"{'0' * 32}.dir", "0" * 32
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


def table(task: str, rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """x and a group; y follows from x, with some noise."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=rows)
    noisy = x + chance.normal(scale=0.3, size=rows)
    cuts = {"binary": [0.0], "multiclass": [-0.5, 0.5]}
    y = noisy if task == "regression" else np.asarray(list("abc"))[np.digitize(noisy, cuts[task])]
    return pd.DataFrame(
        {"x": x, "z": chance.normal(size=rows), "g": ["p", "q"] * (rows // 2), "y": y}
    )


class Project:
    """The project in the current folder."""

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | IDENTITY,
        )
        return done.stdout.strip()

    def set(self, name: str, value: object) -> None:
        """Set a value of params.yaml by its dotted name."""
        document = params.read(params.PARAMS)
        *path, last = name.split(".")
        inner = document
        for key in path:
            inner = inner[key]
        inner[last] = value
        params.PARAMS.write_text(yaml.safe_dump(document), encoding="utf-8")

    def take(self, rows: pd.DataFrame, target: str = "y") -> None:
        """Make the rows the data, with the schema and the parameters that follow."""
        RAW.parent.mkdir(exist_ok=True)
        rows.to_parquet(RAW, index=False)
        rules = infer.infer(rows, target, None, None)
        schema.SCHEMA.write_text(schema.dump(rules), encoding="utf-8")
        data.remember(data.Data(source=None, append=False), rules)
        name = "LinearRegression" if rules.task == "regression" else "LogisticRegression"
        self.set("train.estimator", {"class": f"sklearn.linear_model.{name}"})

    def run(self) -> None:
        """The stages, and the dvc.lock that DVC would write."""
        validate(RAW, DATA)
        prepare(RAW, TRAIN, TEST)
        train(TRAIN, FITTED)
        export(FITTED, TRAIN, model.FOLDER, PARITY)
        evaluate(model.FOLDER, TEST, METRICS, SLICES, PLOTS)
        self.lock()

    def lock(self) -> None:
        """Write dvc.lock for the files as they are, and keep the objects."""
        document = {"schema": "2.0", "stages": {}}
        for name, stage in yaml.safe_load(Path("dvc.yaml").read_text())["stages"].items():
            outs = [*stage.get("outs", []), *stage.get("metrics", [])]
            outs = [next(iter(out)) if isinstance(out, dict) else out for out in outs]
            document["stages"][name] = {
                "cmd": stage["cmd"],
                "deps": [self.entry(Path(path)) for path in stage["deps"] if Path(path).exists()],
                "params": {"params.yaml": {name: params.read(params.PARAMS)[name]}},
                "outs": [self.entry(Path(path)) for path in outs],
            }
        Path("dvc.lock").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def entry(self, path: Path) -> dict[str, object]:
        """What dvc.lock says of a file or folder."""
        if path.is_file():
            return {"path": path.as_posix(), "hash": "md5", "md5": self.keep(path.read_bytes())}
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = [
            {"md5": self.keep(file.read_bytes()), "relpath": file.relative_to(path).as_posix()}
            for file in files
        ]
        md5 = self.keep(json.dumps(listing).encode(), ".dir")
        return {"path": path.as_posix(), "hash": "md5", "md5": md5, "nfiles": len(files)}

    def keep(self, content: bytes, ending: str = "") -> str:
        """Put an object into DVC's cache."""
        md5 = hashlib.md5(content).hexdigest() + ending
        place = Path(".dvc/cache/files/md5", md5[:2], md5[2:])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return md5

    def commit(self, subject: str = "Change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def release(self, commit: str, environment: str = "staging") -> environments.Release:
        """Write what an environment runs; an image is as good as any."""
        lock = history.lock(commit)
        known = (lock.model, lock.data) if lock else (None, None)
        found = environments.Release(IMAGE, commit, known[0] or NO_MODEL, known[1] or NO_DATA)
        environments.write(environment, found)
        return found


def made(folder: Path, task: str) -> None:
    """A project of one commit in a folder, with a model of the task."""
    for name in ("params.yaml", "dvc.yaml", ".gitignore", "pyproject.toml"):
        shutil.copyfile(TEMPLATE / name, folder / name)
    pyproject = (folder / "pyproject.toml").read_text("utf-8")
    name = f'[tool.image]\nname = "{IMAGE.partition("@")[0]}"'
    pyproject = re.sub(r'\[tool\.image\]\nname = ".*"', name, pyproject)
    (folder / "pyproject.toml").write_text(pyproject, "utf-8")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = ../store\n"
    )
    (folder / ".dvc/.gitignore").write_text("/cache\n/tmp\n")
    (folder / "store").mkdir()
    for name in ("artifacts", "data"):
        (folder / name).mkdir()
        shutil.copyfile(TEMPLATE / name / ".gitignore", folder / name / ".gitignore")
    project = Project()
    project.git("init", "--quiet", "--initial-branch=main")
    project.take(table(task))
    project.set("export.format", "sklearn")
    project.set("gate.draws", 200)
    project.set("gate.budget", {"model_mb": 50, "p50_ms": 10_000, "p99_ms": 10_000})
    project.run()
    project.commit("Start")


each_task = pytest.mark.parametrize(
    "project", ["binary", "multiclass", "regression"], indirect=True
)
