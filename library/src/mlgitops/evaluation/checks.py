"""The four kinds of checks: minimum, slices, champion, budget. Each can refuse alone."""

import math
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel

from mlgitops.core.errors import UserError
from mlgitops.data.profile import round_number
from mlgitops.evaluation import bootstrap
from mlgitops.evaluation.bootstrap import Mean, Name
from mlgitops.evaluation.champion import OtherModel
from mlgitops.evaluation.evidence import METRICS, SLICES, Evidence
from mlgitops.evaluation.limits import Gate, Limit
from mlgitops.training import exported_model
from mlgitops.training.features import inputs
from mlgitops.training.metrics import HIGHER_IS_BETTER

# Predictions of one row that are not timed, and that are; the time that they may take in all.
WARM_UP, CALLS, SECONDS = 20, 500, 1.0
NAMED = "the dummy baseline"

Kind = Literal["minimum", "slices", "champion", "budget"]


class Check(BaseModel):
    """One thing that was judged, or only shown; `low` and `high` are the interval of the value."""

    kind: Kind
    name: str
    value: float | None = None
    limit: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool
    judged: bool = True
    reason: str


def figure(value: float) -> str:
    """Three significant digits, as text."""
    return f"{value:.3g}"


def span(found: bootstrap.Interval) -> str:
    """An interval, as text."""
    return f"{figure(found.low)} to {figure(found.high)}"


class Judge:
    """The evidence and the limits, with the losses of this model and of the dummy baseline."""

    def __init__(self, here: Evidence, p: Gate) -> None:
        """Keep both; nothing is computed yet."""
        self.here, self.p = here, p

    def losses(self, metric: Mean, rows: np.ndarray | None = None) -> np.ndarray:
        """Of the model and of the dummy baseline: shape (rows, 2)."""
        here = self.here
        rows = np.arange(len(here.actual)) if rows is None else rows
        actual = here.actual[rows]
        plain = bootstrap.dummy(metric, here.known, len(rows), here.labels)
        return np.column_stack(
            [
                bootstrap.losses(metric, actual, answer, here.labels)
                for answer in (here.answer.take(rows), plain)
            ]
        )

    def resample(self, metric: Mean, losses: np.ndarray) -> np.ndarray:
        """The costs of resampled rows: shape (bootstrap_samples, models)."""
        means = bootstrap.resample(losses, self.p.bootstrap_samples, self.p.seed)
        return np.asarray(bootstrap.cost(metric, means))

    def minimum(self) -> list[Check]:
        """The metrics of the whole test set against their limits."""
        return [self.least(name, limit) for name, limit in self.p.minimum.items()]

    def least(self, name: Name, limit: Limit) -> Check:
        """One metric against its limit."""
        value = read_metric(self.here, name)
        if not bootstrap.is_mean(name):
            assert limit != "dummy"
            return check_limit("minimum", name, value, limit)
        losses = self.losses(name)
        check_agreement(name, value, losses[:, 0])
        drawn = self.resample(name, losses)
        own = metric_interval(name, drawn[:, 0], self.p.confidence, len(losses))
        if limit != "dummy":
            return check_limit("minimum", name, value, limit, own)
        plain = metric_of(name, losses[:, 1])
        found = bootstrap.interval(drawn[:, 0] - drawn[:, 1], self.p.confidence, len(losses))
        return Check(
            kind="minimum", name=name, value=value, limit=round_number(plain),
            low=round_number(own.low), high=round_number(own.high),
            **self.beats(plain, found, len(losses)),
        )  # fmt: skip

    def beats(self, plain: float, found: bootstrap.Interval, rows: int) -> dict[str, Any]:
        """Whether, and why, a model is better than the dummy baseline with confidence."""
        sure = f"{self.p.confidence * 100:g} % confidence"
        fewest = bootstrap.fewest(self.p.confidence)
        if rows < fewest:
            why = f"{rows} test rows are too few: {fewest} are needed for {sure}"
        elif found.high < 0:
            better = bootstrap.Interval(-found.high, -found.low)
            why = f"clearly better than {NAMED} ({figure(plain)}), by {span(better)}, {sure}"
        elif found.low > 0:
            why = f"clearly worse than {NAMED} ({figure(plain)}), by {span(found)}, {sure}"
        else:
            why = (
                f"not clearly better than {NAMED} ({figure(plain)}): the {sure} interval of the "
                f"difference is {span(found)} (below 0 is better)"
            )
        return {"passed": rows >= fewest and found.high < 0, "reason": why}

    def slices(self) -> list[Check]:
        """The metric on every slice, the largest first within a column."""
        here, parts = self.here, self.here.slices
        if here.rules.slices and not parts:
            raise UserError(f"{SLICES} is empty, but schema.yaml names slices: run `make pipeline`")
        judged = sum(part["rows"] >= self.p.slices.min_rows for part in parts)
        return [self.slice(part["column"], part["value"], max(1, judged)) for part in parts]

    def slice(self, column: str, value: str, judged: int) -> Check:
        """One slice; with `judged` of them, each gets a wider interval, so that all hold."""
        metric, limit = self.p.metric, self.p.slices.limit
        values = self.here.table[column]
        rows = np.flatnonzero(values.astype("str").where(values.notna(), "(missing)") == value)
        if not len(rows):
            raise UserError(f"{SLICES}: no test row has {column} = {value}: run `make pipeline`")
        losses = self.losses(metric, rows)
        drawn = self.resample(metric, losses)
        confidence = 1 - (1 - self.p.confidence) / judged
        own = metric_interval(metric, drawn[:, 0], confidence, len(losses))
        if limit == "dummy":
            apart = bootstrap.interval(drawn[:, 0] - drawn[:, 1], confidence, len(rows))
            bound = metric_of(metric, losses[:, 1])
        else:
            bound = limit
            apart = bootstrap.interval(
                drawn[:, 0] - bootstrap.as_metric(metric, limit), confidence, len(rows)
            )
        enough = len(rows) >= self.p.slices.min_rows
        return Check(
            kind="slices", name=f"{column} = {value}: {metric}", low=round_number(own.low),
            value=round_number(metric_of(metric, losses[:, 0])), limit=round_number(bound),
            high=round_number(own.high), judged=enough, passed=not enough or apart.low <= 0,
            reason=self.slice_reason(len(rows), apart),
        )  # fmt: skip

    def slice_reason(self, rows: int, apart: bootstrap.Interval) -> str:
        """Why a slice passes, is refused, or is only shown."""
        bound = NAMED if self.p.slices.limit == "dummy" else "the limit"
        counted = f"{rows} row{'s' * (rows != 1)}"
        if rows < self.p.slices.min_rows:
            return f"{counted}: too few to judge ({self.p.slices.min_rows} are needed), only shown"
        if apart.low > 0:
            return f"{counted}: clearly worse than {bound}, by {span(apart)}"
        sure = "clearly better" if apart.high < 0 else "not clearly worse"
        return f"{counted}: {sure} than {bound}"

    def champion(self, other: OtherModel | None) -> Check:
        """The model against the one that is released, on the same rows."""
        name = f"{self.p.metric}, worse by"
        if other is None:
            why = "nothing is released yet: there is no champion to compare with"
            return Check(kind="champion", name=name, passed=True, judged=False, reason=why)
        if other.same:
            return Check(
                kind="champion", name=name, value=0, passed=True, low=0, high=0,
                limit=round_number(self.tolerance()), reason="not worse: it is the same model",
            )  # fmt: skip
        if other.answer is None:
            why = f"not comparable with the champion {other.commit[:7]}: {other.reason}"
            return Check(kind="champion", name=name, passed=True, judged=False, reason=why)
        worse, drawn = difference(self.here, other, self.p.metric, self.p)
        rows, limit = len(other.rows), self.tolerance()
        found = bootstrap.interval(drawn, self.p.confidence, rows)
        beyond = bootstrap.exceeds(worse, drawn, limit, self.p.confidence, rows)
        return Check(
            kind="champion", name=name, value=round_number(worse), limit=round_number(limit),
            low=round_number(found.low), high=round_number(found.high),
            passed=not beyond and found.low <= 0,
            reason=self.champion_reason(worse, limit, found, beyond, other),
        )  # fmt: skip

    def tolerance(self) -> float:
        """The accepted difference, in the unit of the metric."""
        plain = self.losses(self.p.metric)[:, 1].mean()
        return self.p.champion.tolerance * float(bootstrap.cost(self.p.metric, plain))

    def champion_reason(
        self, worse: float, limit: float, found: bootstrap.Interval, beyond: bool, other: OtherModel
    ) -> str:
        """Better, not worse or worse than the champion, and how clear that is."""
        who = f"than the champion {other.commit[:7]}"
        if len(other.rows) < len(self.here.actual):
            who += f", on the {len(other.rows)} test rows that it was not trained on"
        over = f"more than the tolerance, {figure(limit)}"
        if found.low > 0:
            also = f"; {over}" if worse > limit else ", though within the tolerance"
            return f"clearly worse {who}, by {span(found)}{also}"
        if beyond:
            return f"worse {who} by {figure(worse)}: {over}, and unlikely by chance ({span(found)})"
        if worse > limit:
            return (
                f"not clearly worse {who}: by {figure(worse)}, {over}, but with {len(other.rows)} "
                f"rows that may be chance ({span(found)}); more test rows would show"
            )
        return f"{'clearly better' if found.high < 0 else 'not worse'} {who}"

    def size(self) -> Check:
        """The megabytes of artifacts/model."""
        size = (
            sum(file.stat().st_size for file in exported_model.FOLDER.rglob("*") if file.is_file())
            / 1e6
        )
        return check_limit("budget", "artifacts/model, MB", size, self.p.budget.model_mb)

    def budget(self) -> list[Check]:
        """Size of the model, and times of predictions of one row."""
        times = latencies(self.here) * 1000
        limits = self.p.budget
        return [
            self.size(),
            check_limit(
                "budget", "one row, p50, ms", float(np.quantile(times, 0.5)), limits.p50_ms
            ),
            check_limit(
                "budget", "one row, p99, ms", float(np.quantile(times, 0.99)), limits.p99_ms
            ),
        ]


def metric_of(metric: Mean, losses: np.ndarray) -> float:
    """The metric that the losses give."""
    return float(bootstrap.as_metric(metric, bootstrap.cost(metric, losses.mean())))


def metric_interval(
    metric: Mean, costs: np.ndarray, confidence: float, rows: int
) -> bootstrap.Interval:
    """The interval of the metric, from resampled costs."""
    found = sorted(
        bootstrap.as_metric(metric, end) for end in bootstrap.interval(costs, confidence, rows)
    )
    return bootstrap.Interval(*found)


def read_metric(here: Evidence, name: str) -> float:
    """A metric as `evaluate` wrote it; a UserError if it is missing or no number."""
    if name not in here.metrics:
        there = ", ".join(one for one in here.metrics if one != "rows")
        raise UserError(f"{METRICS} has no {name}: a {here.rules.task} has {there}")
    value = here.metrics[name]
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"{METRICS}: {name} is {value}, not a number: it cannot be judged")
    return float(value)


def check_agreement(name: Mean, written: float, losses: np.ndarray) -> None:
    """Refuse metrics that are of another model or of other rows than those that lie here."""
    found = metric_of(name, losses)
    if not math.isclose(found, written, rel_tol=1e-3, abs_tol=1e-6):
        raise UserError(
            f"{METRICS} says {name} {figure(written)}, but artifacts/model has {figure(found)} on "
            "data/test.parquet: run `make pipeline`"
        )


def check_limit(
    kind: Kind, name: str, value: float, limit: float, found: bootstrap.Interval | None = None
) -> Check:
    """A value against a limit that it must not pass on the wrong side."""
    over = bootstrap.worse(name, value, limit)
    kept, missed = ("reaches", "below") if name in HIGHER_IS_BETTER else ("within", "over")
    reason = (
        f"{kept} the limit of {limit:g}"
        if over <= 0
        else f"{missed} the limit of {limit:g} by {figure(over)}"
    )
    low, high = (round_number(end) for end in found) if found else (None, None)
    return Check(
        kind=kind, name=name, value=round_number(value), limit=limit, low=low, high=high,
        passed=over <= 0, reason=reason,
    )  # fmt: skip


def difference(
    here: Evidence, other: OtherModel, metric: Mean, p: Gate
) -> tuple[float, np.ndarray]:
    """How much worse this model is than the other (below 0: better), and the same of each draw."""
    assert other.answer is not None
    actual = here.actual[other.rows]
    ours = bootstrap.losses(metric, actual, here.answer.take(other.rows), here.labels)
    theirs = bootstrap.losses(metric, actual, other.answer, other.labels)
    losses = np.column_stack([ours, theirs])
    costs = bootstrap.cost(metric, losses.mean(axis=0))
    drawn = bootstrap.cost(metric, bootstrap.resample(losses, p.bootstrap_samples, p.seed))
    return float(costs[0] - costs[1]), drawn[:, 0] - drawn[:, 1]


def latencies(here: Evidence) -> np.ndarray:
    """Seconds of each prediction of one row: CALLS, or as many as SECONDS allow."""
    calls = row_calls(here, inputs(here.table.head(CALLS), here.exported.signature.columns))
    for call in calls[:WARM_UP]:
        call()
    taken, end = [], perf_counter() + SECONDS
    for n in range(CALLS):
        start = perf_counter()
        calls[n % len(calls)]()
        taken.append(perf_counter() - start)
        if start > end:
            break
    return np.asarray(taken)


def row_calls(here: Evidence, table: pd.DataFrame) -> list[Callable[[], Any]]:
    """A call for each row that predicts it: the model's time without that of a table."""
    if here.exported.signature.format == "sklearn":
        return [partial(here.exported.predict, table.iloc[[n]]) for n in range(len(table))]
    import onnxruntime

    session = onnxruntime.InferenceSession(
        exported_model.FOLDER / exported_model.FILES["onnx"], providers=["CPUExecutionProvider"]
    )
    columns = {name: table[[name]].to_numpy() for name in table}
    feeds = [{name: columns[name][n : n + 1] for name in columns} for n in range(len(table))]
    return [partial(session.run, None, feed) for feed in feeds]
