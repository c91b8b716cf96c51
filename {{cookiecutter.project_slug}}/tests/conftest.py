"""What the tests of the model share: a few rows of the data, and the model fitted to them.

All is made by the project's own prepare.py, train.py and features.py, and exported as it would be
served. It takes seconds, whatever the size of the table, and needs no run of the pipeline.
"""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.data import contract, schema
from mlgitops.data.split import Split, group_of, test_rows
from mlgitops.serving.server import make_app
from mlgitops.serving.settings import Settings
from mlgitops.training import export, hooks
from mlgitops.training.exported_model import Predictions
from mlgitops.training.features import inputs, target
from threadpoolctl import threadpool_limits

ROWS = 5000  # of the table, evenly spaced; a smaller one is taken whole
FITTED = 400  # of its training rows, to which the model is fitted
EACH = 5  # of each class, so that a rare one is among them

# The same examples in every run; nothing is remembered between runs.
settings.register_profile("project", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("project")


def pytest_sessionstart(session):
    """Get the data if it is not here; leave with one line where there is nothing to test with."""
    os.chdir(session.config.rootpath)
    threadpool_limits(1)  # For a few rows a second thread is only in the way.
    if not paths.RAW.exists():
        from dvc.cli import main as dvc

        if dvc(["pull", "--quiet", str(paths.RAW)]) != 0:
            pytest.exit(f"{paths.RAW} is not there: run `make setup`", returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A mistake of a person is told as every command tells it, without a traceback."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, UserError):
        report.longrepr = str(call.excinfo.value)
    return report


@dataclass(frozen=True)
class Data:
    """Typed tables: rows to learn from as prepare.py left them, and rows held out."""

    train: pd.DataFrame
    test: pd.DataFrame


class Model:
    """The model fitted to the sample, exported, and served."""

    def __init__(self, train, rules, folder):
        """Fit and export it into the folder."""
        self.rules, self.folder = rules, folder
        self.fitted = fit_pipeline(train, rules)
        self.exported = export.fill(folder, self.fitted, train, rules)
        self.app = make_app(folder, Settings())

    @property
    def labels(self):
        """The classes in the order of their probabilities; None for a regression."""
        return None if self.rules.task == "regression" else self.fitted.classes_.tolist()

    def inputs(self, table):
        """Rows of a typed table as the model takes them."""
        return inputs(table, self.rules.features)

    def predict(self, table):
        """What the exported model answers for a typed table, as `evaluate` asks it."""
        return self.exported(self.inputs(table))

    def scores(self, table):
        """How the exported model scores each class, or the value: of shape (rows, classes or 1)."""
        return scores(self.predict(table), self.labels)

    def ask(self, table, **params):
        """Status and answer of the server for rows of a typed table."""
        rows = table[list(self.rules.features)].astype("object")
        records = rows.where(rows.notna(), None).to_dict("records")
        return asyncio.run(post(self.app, {"dataframe_records": records, "params": params}))


def fit_pipeline(train, rules):
    """The pipeline of train.py, fitted as the stage fits it."""
    return hooks.fit(train, hooks.features(), rules, config.load(hooks.section("train")))


def scores(answer: Predictions, labels):
    """Probabilities; values; or, from a classifier that gives neither, 1 for its label."""
    if labels is None:
        return np.asarray(answer.values, dtype="float64").reshape(-1, 1)
    if answer.probabilities is None:
        return (np.asarray(answer.values)[:, None] == np.asarray(labels)).astype("float64")
    return np.asarray(answer.probabilities, dtype="float64")


async def post(app, content):
    """Status and body that the server's application gives for a request to /invocations."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": json.dumps(content).encode()}

    async def send(message):
        sent.append(message)

    await app(
        {
            "type": "http",
            "method": "POST",
            "path": "/invocations",
            "headers": [(b"content-type", b"application/json")],
            "query_string": b"",
        },
        receive,
        send,
    )
    start, *rest = sent
    return start["status"], json.loads(b"".join(one.get("body", b"") for one in rest))


@pytest.fixture(scope="session")
def rules():
    """schema.yaml."""
    return schema.load()


@pytest.fixture(scope="session")
def data(rules):
    """Rows to learn from and rows held out, by the rule of gate.yaml."""
    raw = pd.read_parquet(paths.RAW)
    raw = raw.iloc[:: max(1, len(raw) // ROWS)].reset_index(drop=True)
    table, _ = contract.cast_table(raw, rules.columns)
    p = config.load(Split)
    held_out = test_rows(table, rules, p, group_of(raw, p))
    train = hooks.prepare(table[~held_out].reset_index(drop=True), rules)
    order = np.random.default_rng(0).permutation(len(train))
    shuffled = train.iloc[order]
    first = shuffled.groupby(rules.target).head(0 if rules.task == "regression" else EACH)
    rest = shuffled.drop(first.index).head(max(0, FITTED - len(first)))
    sample = pd.concat([first, rest]).sort_index().reset_index(drop=True)
    return Data(sample, table[held_out].reset_index(drop=True))


@pytest.fixture(scope="session")
def model(data, rules):
    """The model of the sample, in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        yield Model(data.train, rules, Path(folder))


@pytest.fixture(scope="session")
def actual(data, rules):
    """The right answers for the rows to learn from."""
    return target(data.train, rules).to_numpy()


@pytest.fixture(scope="session")
def random_rows(data, rules):
    """Rows that nobody has seen: each column drawn for itself, with all that schema.yaml allows.

    Missing values where a column is nullable, and every category, the unseen ones too.
    """
    draw = np.random.default_rng(0)
    columns = {}
    for name, column in rules.features.items():
        seen = data.train[name].dropna()
        if seen.empty:
            seen = pd.Series(column.categories or [np.nan], dtype=data.train[name].dtype)
        values = seen.sample(200, replace=True, random_state=draw).reset_index(drop=True)
        if column.categories:
            values[: len(column.categories)] = list(column.categories)[: len(values)]
        if column.nullable:
            values = values.convert_dtypes().mask(draw.random(len(values)) < 0.2)
        columns[name] = values
    return contract.cast_table(pd.DataFrame(columns), rules.features)[0]
