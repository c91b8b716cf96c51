"""Measure the exported model on the test set."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import PositiveInt

from mlgitops.core import config, paths, pipeline_version
from mlgitops.core.files import write_json
from mlgitops.data import schema
from mlgitops.training import exported_model
from mlgitops.training.features import inputs, target
from mlgitops.training.metrics import Metrics, measure
from mlgitops.training.plots import plots


class Evaluate(config.Rule):
    """Intervals of confidence, values of one slice column, points of one plot."""

    bins: PositiveInt
    max_slices: PositiveInt
    max_points: PositiveInt


def slices(
    table: pd.DataFrame,
    actual: np.ndarray,
    answer: exported_model.Predictions,
    rules: schema.Schema,
    found: exported_model.Signature,
    p: Evaluate,
) -> list[dict[str, Any]]:
    """The metrics of the rows of each value of each slice column, the largest slices first."""
    measured: list[dict[str, Any]] = []
    for name in rules.slices:
        values = table[name].astype("str").where(table[name].notna(), "(missing)")
        for value in values.value_counts().sort_index().nlargest(p.max_slices).index:
            rows = np.flatnonzero(values == value)
            part: Metrics = measure(actual[rows], answer.take(rows), found.labels, p.bins)
            measured.append({"column": name, "value": value, **part})
    return measured


def evaluate(
    folder: Path = paths.MODEL,
    test: Path = paths.TEST,
    metrics: Path = paths.METRICS,
    sliced: Path = paths.SLICES,
    drawn: Path = paths.PLOTS,
) -> None:
    """Measure the exported model on the test set."""
    pipeline_version.check()
    rules, p = schema.load(), config.load(Evaluate)
    table = pd.read_parquet(test)
    exported = exported_model.load(folder)
    answer = exported.predict(inputs(table, rules.features))
    actual = target(table, rules).to_numpy()
    found = exported.signature
    measured = measure(actual, answer, found.labels, p.bins)
    write_json(measured, metrics)
    write_json(slices(table, actual, answer, rules, found, p), sliced)
    for name, points in plots(actual, answer, found.labels, p.bins, p.max_points).items():
        write_json(points, drawn / f"{name}.json")
    print(", ".join(f"{name} {value}" for name, value in measured.items()))
