"""Measure the exported model on the test set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt

from mlgitops.core import config, paths, pipeline_version
from mlgitops.core.files import write_json
from mlgitops.data import schema
from mlgitops.training import exported_model, hooks, own_metrics
from mlgitops.training.features import inputs, target
from mlgitops.training.importance import importance
from mlgitops.training.metrics import Metrics, by_class, measure
from mlgitops.training.plots import plots


class Evaluate(config.Rule):
    """Intervals of confidence, values of one slice column, points of one plot."""

    bins: Annotated[int, Field(ge=2)]
    max_slices: Annotated[int, Field(ge=5)]
    max_points: PositiveInt


class Answers(NamedTuple):
    """What was to be predicted, shape (rows,), what was, a classifier's labels, own metrics."""

    actual: np.ndarray
    predictions: exported_model.Predictions
    labels: tuple[int | str, ...] | None
    own: Sequence[own_metrics.Metric] = ()

    def measure(self, bins: int) -> Metrics:
        """The standard metrics of all rows, then the project's own."""
        standard = measure(self.actual, self.predictions, self.labels, bins)
        own_metrics.check(self.own, standard)
        return standard | own_metrics.measure(self.own, *self[:3])

    def take(self, rows: np.ndarray) -> "Answers":
        """Some of the rows, by position."""
        return self._replace(actual=self.actual[rows], predictions=self.predictions.take(rows))


def slices(
    table: pd.DataFrame, names: Sequence[str], answers: Answers, p: Evaluate
) -> list[dict[str, Any]]:
    """The metrics of the rows of each value of each slice column, the largest slices first."""
    found: list[dict[str, Any]] = []
    for name in names:
        values = table[name].astype("str").where(table[name].notna(), "(missing)")
        for value in values.value_counts().sort_index().nlargest(p.max_slices).index:
            part = answers.take(np.flatnonzero(values == value)).measure(p.bins)
            found.append({"column": name, "value": value, **part})
    return found


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
    given = inputs(table, rules.features)
    actual, labels = target(table, rules).to_numpy(), exported.signature.labels
    answers = Answers(actual, exported.predict(given), labels, hooks.metrics())
    overall = answers.measure(p.bins)
    write_json(overall, metrics)
    write_json(slices(table, rules.slices, answers, p), sliced)
    for name, points in plots(*answers[:3], p.bins, p.max_points).items():
        write_json(points, drawn / f"{name}.json")
    write_json(by_class(actual, answers.predictions.values, labels), drawn / paths.CLASSES.name)
    found = importance(exported.predict, given, actual, labels)
    write_json(found, drawn / paths.IMPORTANCE.name)
    print(", ".join(f"{name} {value}" for name, value in overall.items()))
