"""The four kinds of checks: minimum, slices, champion, budget. Each can refuse alone."""

import json
import math
from collections.abc import Callable, Collection
from functools import partial
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel

from mlgitops.core.errors import UserError, join_names
from mlgitops.data.profile import round_number
from mlgitops.evaluation import bootstrap
from mlgitops.evaluation.champion import OtherModel
from mlgitops.evaluation.evidence import METRICS, SLICES, Evidence
from mlgitops.evaluation.limits import Bound, Gate, Limit, SliceLimit
from mlgitops.evaluation.subject import Subject
from mlgitops.git import repository
from mlgitops.training import exported_model
from mlgitops.training.features import inputs
from mlgitops.training.losses import Mean, as_metric, cost, is_mean, metric_of, row_losses
from mlgitops.training.metrics import HIGHER_IS_BETTER

# Predictions of one row that are not timed, and that are; the time that they may take in all.
WARM_UP, CALLS, SECONDS = 20, 500, 1.0
TOO_FEW = "too few rows to tell"
NAMED = "the dummy baseline"
SIZE = "artifacts/model, MB"

Kind = Literal["minimum", "slices", "champion", "budget"]


class Check(BaseModel):
    """One thing that was judged, or only shown; `low` and `high` are the interval of the value.

    `passed` only if it surely holds; `needs_approval` if that cannot be said, so that a person
    decides.
    """

    kind: Kind
    name: str
    value: float | None = None
    limit: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool
    needs_approval: bool = False
    judged: bool = True
    reason: str

    @property
    def refuses(self) -> bool:
        """Whether it stands against the model, whoever approves."""
        return not self.passed and not self.needs_approval


def figure(value: float) -> str:
    """Three significant digits, as text."""
    return f"{value:.3g}"


def span(found: bootstrap.Interval) -> str:
    """An interval, as text."""
    return f"{figure(found.low)} to {figure(found.high)}"


class Gap(NamedTuple):
    """How much worse this model is than the champion on so many rows, and what is accepted."""

    worse: float
    limit: float
    interval: bootstrap.Interval
    rows: int
    fewest: int  # rows that anything can be said of

    @property
    def is_beyond(self) -> bool:
        """Clearly worse by more than the tolerance: all of the interval is beyond it."""
        return self.rows >= self.fewest and self.interval.low > self.limit

    @property
    def is_within(self) -> bool:
        """Within the tolerance, and clearly within twice of it."""
        known = self.rows >= self.fewest and self.interval.high <= 2 * self.limit
        return known and self.worse <= self.limit

    @property
    def rows_needed(self) -> int | None:
        """About so many test rows would tell, as intervals narrow with the root of the rows."""
        half = (self.interval.high - self.interval.low) / 2
        over = self.worse > self.limit
        room = self.worse - self.limit if over else 2 * self.limit - self.worse
        if room <= 0 or half / room > 1000:
            return None
        return max(self.fewest, self.rows + 1, math.ceil(self.rows * (half / room) ** 2))


def minimum(subject: Subject) -> list[Check]:
    """The metrics of the whole test set against their limits."""
    found = []
    for name, limit in subject.p.minimum.items():
        if isinstance(limit, dict):
            found += [check_class(subject, name, *one) for one in limit.items()]
        else:
            found.append(least(subject, name, limit))
    return found


def check_class(subject: Subject, metric: str, label: int | str, limit: float) -> Check:
    """The recall or precision of one class against its limit; a UserError for an unknown class."""
    classes = {one["class"]: one for one in subject.here.classes}
    if str(label) not in classes:
        there = join_names(classes) if classes else "none: it is a regression"
        raise UserError(f"gate.yaml: minimum.{metric}: no class {label}; there are {there}")
    one = classes[str(label)]
    if not one["rows"]:
        raise UserError(f"gate.yaml: minimum.{metric}: no test row is of the class {label}")
    value = one[metric]
    passed = value is not None and value >= limit
    reason = f"{'' if passed else 'not '}at least {limit:g}"
    if not one["predicted"]:
        reason += "; the model never predicts this class"
    return Check(
        kind="minimum", name=f"{metric} of {label}", value=value, limit=limit, passed=passed,
        reason=f"{reason}; {one['rows']} test row{'s' * (one['rows'] != 1)} of it",
    )  # fmt: skip


def least(subject: Subject, name: str, limit: Limit | Bound) -> Check:
    """One metric against its limit."""
    value = read_metric(subject.here, name)
    if isinstance(limit, Bound):
        return check_own(name, value, limit)
    if not is_mean(name):
        assert limit != "dummy"
        return check_limit("minimum", name, value, limit)
    losses = subject.losses(name)
    check_agreement(name, value, losses[:, 0])
    drawn = subject.resample(name, losses)
    own = metric_interval(name, drawn[:, 0], subject.p.confidence, len(losses))
    if limit != "dummy":
        return check_limit("minimum", name, value, limit, own)
    plain = metric_of(name, losses[:, 1])
    apart = subject.interval(drawn[:, 0] - drawn[:, 1], len(losses))
    passed, why = compare_to_dummy(plain, apart, subject.p.confidence, len(losses))
    return Check(
        kind="minimum", name=name, value=value, limit=round_number(plain), passed=passed,
        low=round_number(own.low), high=round_number(own.high), reason=why,
    )  # fmt: skip


def check_own(name: str, value: float, bound: Bound) -> Check:
    """A metric of the project's own against its limit; only shown where main does not have it yet.

    A change must not choose the metric that it is judged by.
    """
    if bound.at_least is not None:
        side, limit, passed = "at least", bound.at_least, value >= bound.at_least
    else:
        assert bound.at_most is not None
        side, limit, passed = "at most", bound.at_most, value <= bound.at_most
    known = name in main_metrics()
    why = f"{'' if passed else 'not '}{side} {limit:g}"
    if not known:
        why += ": main does not have this metric yet, so it is only shown"
    return Check(
        kind="minimum", name=name, value=round_number(value), limit=limit, judged=known,
        passed=passed or not known, reason=why,
    )  # fmt: skip


def main_metrics() -> Collection[str]:
    """The names of the metrics of the commit at which this branch left main; none without one."""
    commit = repository.fork("main")
    there = repository.text(commit, METRICS.as_posix()) if commit else None
    return list(json.loads(there)) if there else []


def compare_to_dummy(
    plain: float, apart: bootstrap.Interval, confidence: float, rows: int
) -> tuple[bool, str]:
    """Whether, and why, a model is better than the dummy baseline with confidence."""
    sure, fewest = f"{confidence * 100:g} % confidence", bootstrap.fewest(confidence)
    if rows < fewest:
        why = f"{rows} test rows are too few: {fewest} are needed for {sure}"
    elif apart.high < 0:
        better = bootstrap.Interval(-apart.high, -apart.low)
        why = f"clearly better than {NAMED} ({figure(plain)}), by {span(better)}, {sure}"
    elif apart.low > 0:
        why = f"clearly worse than {NAMED} ({figure(plain)}), by {span(apart)}, {sure}"
    else:
        why = (
            f"not clearly better than {NAMED} ({figure(plain)}): the {sure} interval of the "
            f"difference is {figure(0.0 - apart.high)} to {figure(0.0 - apart.low)} (above 0 is "
            "better)"
        )
    return rows >= fewest and apart.high < 0, why


def slices(subject: Subject) -> list[Check]:
    """The metric on every slice, the largest first within a column."""
    parts, p = subject.here.slices, subject.p
    if subject.here.rules.slices and not parts:
        raise UserError(f"{SLICES} is empty, but schema.yaml names slices: run `make pipeline`")
    judged = max(1, sum(part["rows"] >= p.slices.min_rows for part in parts))
    # With so many of them, each gets a wider interval, so that all hold together.
    confidence = 1 - (1 - p.confidence) / judged
    return [check_slice(subject, part["column"], part["value"], confidence) for part in parts]


def check_slice(subject: Subject, column: str, value: str, confidence: float) -> Check:
    """One slice against the limit, refused if it is clearly worse."""
    metric, limits = subject.p.metric, subject.p.slices
    losses = subject.losses(metric, slice_rows(subject.here, column, value))
    drawn = subject.resample(metric, losses)
    own = metric_interval(metric, drawn[:, 0], confidence, len(losses))
    if limits.limit == "dummy":
        bound, other = metric_of(metric, losses[:, 1]), drawn[:, 1]
    else:
        bound, other = limits.limit, as_metric(metric, limits.limit)
    apart = subject.interval(drawn[:, 0] - other, len(losses), confidence)
    enough = len(losses) >= limits.min_rows
    return Check(
        kind="slices", name=f"{column} = {value}: {metric}", low=round_number(own.low),
        value=round_number(metric_of(metric, losses[:, 0])), limit=round_number(bound),
        high=round_number(own.high), judged=enough, passed=not enough or apart.low <= 0,
        reason=slice_reason(limits, len(losses), apart),
    )  # fmt: skip


def slice_rows(here: Evidence, column: str, value: str) -> np.ndarray:
    """The positions of the test rows of a slice; a UserError if there is none."""
    values = here.table[column]
    rows = np.flatnonzero(values.astype("str").where(values.notna(), "(missing)") == value)
    if not len(rows):
        raise UserError(f"{SLICES}: no test row has {column} = {value}: run `make pipeline`")
    return rows


def slice_reason(limits: SliceLimit, rows: int, apart: bootstrap.Interval) -> str:
    """Why a slice passes, is refused, or is only shown."""
    bound = NAMED if limits.limit == "dummy" else "the limit"
    counted = f"{rows} row{'s' * (rows != 1)}"
    if rows < limits.min_rows:
        return f"{counted}: too few to judge ({limits.min_rows} are needed), only shown"
    if apart.low > 0:
        return f"{counted}: clearly worse than {bound}, by {span(apart)}"
    sure = "clearly better" if apart.high < 0 else "not clearly worse"
    return f"{counted}: {sure} than {bound}"


def champion(subject: Subject, other: OtherModel | None) -> Check:
    """The model against the one that is released, on the same rows."""
    name = f"{subject.p.metric}, better by"
    if other is None or (other.answer is None and not other.same):
        why = (
            f"not comparable with the champion {other.commit[:7]}: {other.reason}"
            if other
            else "nothing is released yet: there is no champion to compare with"
        )
        return Check(
            kind="champion", name=name, passed=other is None, needs_approval=other is not None,
            judged=False, reason=why,
        )  # fmt: skip
    if other.same:
        return Check(
            kind="champion", name=name, value=0, passed=True, low=0, high=0,
            limit=round_number(-tolerance(subject)), reason="not worse: it is the same model",
        )  # fmt: skip
    gap = measure_gap(subject, other)
    return Check(
        kind="champion", name=name, value=round_number(0.0 - gap.worse),
        limit=round_number(0.0 - gap.limit), low=round_number(0.0 - gap.interval.high),
        high=round_number(0.0 - gap.interval.low), passed=gap.is_within,
        needs_approval=not gap.is_within and not gap.is_beyond,
        reason=champion_reason(gap, other, len(subject.here.actual)),
    )  # fmt: skip


def measure_gap(subject: Subject, other: OtherModel) -> Gap:
    """The distance to a champion that can be compared."""
    worse, drawn = difference(subject.here, other, subject.p.metric, subject.p)
    rows, fewest = len(other.rows), bootstrap.fewest(subject.p.confidence)
    return Gap(worse, tolerance(subject), subject.interval(drawn, rows), rows, fewest)


def tolerance(subject: Subject) -> float:
    """The accepted difference, in the unit of the metric."""
    plain = subject.losses(subject.p.metric)[:, 1].mean()
    return subject.p.champion.tolerance * float(cost(subject.p.metric, plain))


def champion_reason(gap: Gap, other: OtherModel, rows: int) -> str:
    """Better, not worse or worse than the champion, and how sure that is; of so many test rows."""
    who = f"than the champion {other.commit[:7]}"
    if gap.rows < rows:
        who += f", on the {gap.rows} test rows that it was not trained on and that both can answer"
    by, limit = figure(abs(gap.worse)), f"the tolerance, {figure(gap.limit)}"
    if gap.is_beyond:
        return f"clearly worse {who}, by {span(gap.interval)}: more than {limit}"
    if not gap.is_within:
        side = "worse" if gap.worse > 0 else "better"
        return f"{TOO_FEW}: {side} {who}, by {by}, but {chance(gap)}; {limit}"
    if gap.worse > 0:
        return f"worse {who} by {by}, which is within {limit}"
    return f"{'clearly better' if gap.interval.high < 0 else 'not worse'} {who}"


def chance(gap: Gap) -> str:
    """What so few rows leave open, and how many would tell."""
    low, high = (f"{figure(abs(end))} {'worse' if end > 0 else 'better'}" for end in gap.interval)
    more = f"about {gap.rows_needed:,} would tell" if gap.rows_needed else "no test set would tell"
    return f"{gap.rows} test rows may mean anything from {low} to {high}: {more}"


def size(subject: Subject) -> Check:
    """The megabytes of artifacts/model."""
    files = (file for file in exported_model.FOLDER.rglob("*") if file.is_file())
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    return check_limit("budget", SIZE, megabytes, subject.p.budget.model_mb)


def budget(subject: Subject) -> list[Check]:
    """Size of the model, and times of predictions of one row."""
    times, limits = latencies(subject.here) * 1000, subject.p.budget
    p50, p99 = (float(np.quantile(times, share)) for share in (0.5, 0.99))
    return [
        size(subject),
        check_limit("budget", "one row, p50, ms", p50, limits.p50_ms),
        check_limit("budget", "one row, p99, ms", p99, limits.p99_ms),
    ]


def metric_interval(
    metric: Mean, costs: np.ndarray, confidence: float, rows: int
) -> bootstrap.Interval:
    """The interval of the metric, from resampled costs."""
    found = sorted(as_metric(metric, end) for end in bootstrap.interval(costs, confidence, rows))
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


def agree(one: Any, other: Any) -> bool:
    """Whether two figures are the same, but for what another machine makes of them."""
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-6)
    return bool(one == other)


def check_agreement(name: Mean, written: float, losses: np.ndarray) -> None:
    """Refuse metrics that are of another model or of other rows than those that lie here."""
    found = metric_of(name, losses)
    if not agree(found, written):
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
    """How much worse this model is than the other, and the same of each draw.

    Costs, so that below 0 is better; what people read says "better by".
    """
    assert other.answer is not None
    actual = here.actual[other.rows]
    ours = row_losses(metric, actual, other.ours, other.labels)
    theirs = row_losses(metric, actual, other.answer, other.labels)
    losses = np.column_stack([ours, theirs])
    costs = cost(metric, losses.mean(axis=0))
    drawn = cost(metric, bootstrap.resample(losses, p.bootstrap_samples, p.seed))
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
