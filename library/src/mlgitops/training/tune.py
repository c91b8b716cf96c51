"""`make tune`: search the ranges of params.yaml by cross-validation on the training set."""

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import joblib
import numpy as np
import pandas as pd
import typer
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mlgitops.core import config, paths
from mlgitops.core.config import Section
from mlgitops.core.errors import UserError, listed
from mlgitops.core.files import write_json
from mlgitops.core.pipeline_version import PIPELINE
from mlgitops.core.print_metrics import aligned
from mlgitops.data import schema
from mlgitops.data.ingest import edited
from mlgitops.git import repository
from mlgitops.training import exported_model, hooks
from mlgitops.training.evaluate import Evaluate
from mlgitops.training.features import inputs, target
from mlgitops.training.metrics import HIGHER_IS_BETTER, measure

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

TRAINING = paths.TRAIN
STUDIES = Path("artifacts/trials")
DIGITS = 4  # of a tried number: more say nothing, and are hard to read in params.yaml
SHOWN = 10  # trials of the table

Settings = dict[str, Any]
Splits = list[tuple[np.ndarray, np.ndarray]]


class Range(config.Strict):
    """The values to try: from low to high, evenly or by their logarithm; or choices."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[str | int | float | bool | None, ...] | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        ends = [end for end in (self.low, self.high) if end is not None]
        if (len(ends) == 2) == bool(self.choices) or (self.choices and (ends or self.log)):
            raise ValueError("a range has low and high (and log: true), or choices")
        if ends and not ends[0] < ends[1]:
            raise ValueError("low must be below high")
        if self.log and ends[0] <= 0:
            raise ValueError("a range with log: true must be above 0")
        return self


class Tune(config.Section):
    """The ranges by dotted name within `train`; how many trials and folds; where they run."""

    ranges: dict[str, Range]
    metric: str
    trials: PositiveInt
    folds: Annotated[int, Field(ge=2)]
    seed: NonNegativeInt
    batch: PositiveInt
    jobs: int
    backend: str


class Trial(config.Strict):
    """Values that were tried, the metric of each fold, their mean and its standard error.

    `reason` says why there is none. Trial 0 is what params.yaml has. `when`: seconds since 1970.
    """

    number: int
    params: Settings
    scores: tuple[float, ...] = ()
    value: float | None = None
    spread: float | None = None
    reason: str | None = None
    when: float


class Study(config.Strict):
    """Trials that can be compared: same data, code, ranges and folds."""

    key: str
    data: str
    metric: str
    settings: Settings
    trials: tuple[Trial, ...] = ()


def tune(
    apply: Annotated[
        bool, typer.Option(help="Write the best values to params.yaml, if they are better.")
    ] = False,
) -> None:
    """Search the ranges of params.yaml; what an earlier search of the same has tried counts."""
    rules, p, present = schema.load(), config.load(Tune), config.load(hooks.section("train"))
    if not TRAINING.exists():
        raise UserError(f"{TRAINING} is not there: make pipeline")
    study = opened(p, present)
    if study.trials:
        print(f"{len(study.trials) - 1} of {p.trials} trials are there already")
    examples = pd.read_parquet(TRAINING)
    try:
        for trial in tqdm(
            trials(examples, rules, present, p, study.trials),
            initial=len(study.trials),
            total=p.trials + 1,
            unit=" trials",
        ):
            longer = study.model_copy(update={"trials": (*study.trials, trial)})
            write_json(longer.model_dump(mode="json"), path_of(study))
            study = longer
    except KeyboardInterrupt:
        print(f"\nstopped after {len(study.trials)} trials; make tune goes on from there")
        raise
    print(report(study, p))
    print(applied(study, p, apply))


def opened(p: Tune, present: Section) -> Study:
    """The study of this data, code and ranges: what was tried of it, or an empty one."""
    data = hashlib.md5(TRAINING.read_bytes(), usedforsecurity=False).hexdigest()
    settings = {
        "train": present.model_dump(mode="json", by_alias=True),
        "tune": p.model_dump(mode="json", include={"ranges", "metric", "folds", "seed", "batch"}),
    }
    code = [repository.content(paths.CODE), PIPELINE]
    said = json.dumps([data, schema.SCHEMA.read_text("utf-8"), settings, code], sort_keys=True)
    key = hashlib.sha256(said.encode()).hexdigest()
    empty = Study(key=key, data=data, metric=p.metric, settings=settings)
    if not path_of(empty).exists():
        return empty
    found = json.loads(path_of(empty).read_text("utf-8"))
    return config.parse(Study, found, str(path_of(empty)))


def path_of(study: Study) -> Path:
    """Where the trials of a study are kept."""
    return STUDIES / f"{study.key[:16]}.json"


def trials(
    examples: pd.DataFrame, rules: schema.Schema, present: Section, p: Tune, done: Sequence[Trial]
) -> Iterator[Trial]:
    """The trials that are missing, in order, each as soon as it is known.

    What a batch tries depends on the batches before it alone: a search that was stopped, or that
    runs on more cores, ends with the same trials.
    """
    known = list(done)
    splits = folds(examples, rules, p)
    limits = {name: distribution(one) for name, one in p.ranges.items()}
    with workers(p) as parallel:
        while len(known) <= p.trials:
            start = max(0, len(known) - 1) // p.batch * p.batch
            asked = [{}] if not known else ask(known[: start + 1], present, limits, p)
            begun = max(0, len(known) - 1 - start) if known else 0
            last = p.trials - start if known else 1
            for values in run(parallel, examples, rules, present, p, splits, asked[begun:last]):
                trial = Trial(number=len(known), when=round(time.time(), 3), **values)
                known.append(trial)
                yield trial


def ask(
    known: Sequence[Trial], present: Section, limits: "dict[str, BaseDistribution]", p: Tune
) -> list[Settings]:
    """The values that the next batch tries, by what is known so far."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize" if p.metric in HIGHER_IS_BETTER else "minimize",
        sampler=optuna.samplers.TPESampler(seed=p.seed + len(known), constant_liar=True),
    )
    for trial in known:
        values = trial.params or values_of(present, limits)
        if trial.value is not None:
            # The present values may lie outside of the ranges: then nothing is learned from them.
            with suppress(ValueError):
                one = optuna.trial.create_trial(
                    params=values, distributions=limits, value=trial.value
                )
                study.add_trial(one)
    return [shortened(study.ask(limits).params, limits) for _ in range(p.batch)]


def distribution(one: Range) -> "BaseDistribution":
    """A range as optuna knows it."""
    from optuna import distributions as of

    if one.choices:
        return of.CategoricalDistribution(one.choices)
    assert one.low is not None
    assert one.high is not None
    if isinstance(one.low, int) and isinstance(one.high, int):
        return of.IntDistribution(one.low, one.high, log=one.log)
    return of.FloatDistribution(one.low, one.high, log=one.log)


def shortened(values: Settings, limits: "dict[str, BaseDistribution]") -> Settings:
    """The values with few digits, within their ranges."""
    from optuna.distributions import FloatDistribution

    return {
        name: float(min(max(float(f"{value:.{DIGITS}g}"), one.low), one.high))
        if isinstance(one := limits[name], FloatDistribution)
        else value
        for name, value in values.items()
    }


def values_of(present: Section, names: Mapping[str, Any]) -> Settings:
    """What params.yaml has now for the names of the ranges, where it has something."""
    found = {}
    for name in names:
        value: Any = present.model_dump(by_alias=True)
        for key in name.split("."):
            value = value.get(key, ...) if isinstance(value, dict) else ...
        if value is not ...:
            found[name] = value
    return found


def changed(present: Section, values: Settings) -> Section:
    """The section `train` with other values."""
    plain = present.model_dump(by_alias=True)
    for name, value in values.items():
        *path, last = name.split(".")
        place = plain
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    return config.parse(type(present), plain, "params.yaml: tune.ranges: train")


def folds(examples: pd.DataFrame, rules: schema.Schema, p: Tune) -> Splits:
    """Rows to fit to and rows to measure on, for each fold; classes in their shares."""
    if len(examples) < p.folds:
        raise UserError(f"{len(examples)} rows are too few for {p.folds} folds (tune.folds)")
    answers = target(examples, rules)
    kind = KFold if rules.task == "regression" else StratifiedKFold
    if rules.task != "regression" and answers.value_counts().max() < p.folds:
        raise UserError(f"no class has {p.folds} rows: lower tune.folds in params.yaml")
    return list(kind(p.folds, shuffle=True, random_state=p.seed).split(examples, answers))


@contextmanager
def workers(p: Tune) -> Iterator[joblib.Parallel]:
    """Parallel work, with the backend and the number of jobs of params.yaml."""
    with ExitStack() as stack:
        if p.backend == "dask":
            try:
                from distributed import Client
            except ImportError:
                raise UserError("tune.backend: dask needs a package: uv add distributed") from None
            stack.enter_context(Client(os.environ.get("DASK_SCHEDULER_ADDRESS")))
        try:
            stack.enter_context(joblib.parallel_config(backend=p.backend, n_jobs=p.jobs))
        except ValueError as error:
            raise UserError(f"params.yaml: tune.backend: {error}") from None
        yield stack.enter_context(joblib.Parallel(return_as="generator"))


def run(
    parallel: joblib.Parallel,
    examples: pd.DataFrame,
    rules: schema.Schema,
    present: Section,
    p: Tune,
    splits: Splits,
    asked: Sequence[Settings],
) -> Iterator[dict[str, Any]]:
    """What a trial holds for each of the settings asked for, in their order."""
    bins = config.load(Evaluate).bins
    alone = joblib.effective_n_jobs() == 1
    results = parallel(
        joblib.delayed(score)(
            examples, rules, changed(present, values), split, p.metric, bins, alone
        )
        for values in asked
        for split in splits
    )
    for values in asked:
        yield {"params": values, **summary([next(results) for _ in splits])}


def score(
    examples: pd.DataFrame,
    rules: schema.Schema,
    p: Section,
    split: tuple[np.ndarray, np.ndarray],
    metric: str,
    bins: int,
    alone: bool,
) -> float | str:
    """The metric on the second part of the split, fitted to the first; or why there is none."""
    fit_to, measured = (examples.iloc[rows] for rows in split)
    # Beside others on the same cores, a fit gets one thread.
    with threadpool_limits(None if alone else 1):
        try:
            fitted = hooks.fit(fit_to, hooks.features(), rules, p)
        except ValueError as error:
            return " ".join(str(error).split())[:200]
        table = inputs(measured, rules.features)
        known = rules.task != "regression" and hasattr(fitted, "predict_proba")
        shares = fitted.predict_proba(table) if known else None
        answer = exported_model.Predictions(fitted.predict(table), shares)
    labels = tuple(fitted.classes_.tolist()) if rules.task != "regression" else None
    found = measure(target(measured, rules).to_numpy(), answer, labels, bins)
    if metric not in found:
        raise UserError(f"params.yaml: tune.metric: no {metric}; there are {listed(found)}")
    value = found[metric]
    return f"{metric} is undefined" if value is None else float(value)


def summary(results: Sequence[float | str]) -> dict[str, Any]:
    """The metric of each fold, mean and standard error; or the first reason why there is none."""
    reason = next((one for one in results if isinstance(one, str)), None)
    if reason:
        return {"reason": reason}
    mean, error = mean_and_error(np.asarray(results, dtype=float))
    return {"scores": tuple(results), "value": mean, "spread": error}


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of the values, shape (folds,), and its standard error."""
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return round(float(np.mean(values)), 8), round(error, 8)


def ranked(study: Study, p: Tune) -> list[Trial]:
    """The trials that gave a value, best first; of equal ones the earlier."""
    sign = -1 if p.metric in HIGHER_IS_BETTER else 1
    known = [(trial.value, trial) for trial in study.trials if trial.value is not None]
    if not known:
        raise UserError(f"no trial gave a value: {study.trials[0].reason}")
    return [trial for value, trial in sorted(known, key=lambda pair: sign * pair[0])]


def report(study: Study, p: Tune) -> str:
    """The best trials and the present values, as a table."""
    best = ranked(study, p)
    shown = best[:SHOWN] + [trial for trial in best[SHOWN:] if trial.number == 0]
    rows = []
    for trial in shown:
        values = trial.params or values_of(config.load(hooks.section("train")), p.ranges)
        rows.append(
            {
                "trial": f"{trial.number}" if trial.number else "present",
                p.metric: trial.value,
                "+-": trial.spread,
                **{name: values.get(name) for name in p.ranges},
            }
        )
    failed = len(study.trials) - len(best)
    return f"\n{aligned(rows)}" + (f"\n{failed} trials failed" if failed else "")


def better(study: Study, p: Tune) -> tuple[Settings, str]:
    """The best values and how much better they are; none if the present ones are as good."""
    best, present = ranked(study, p)[0], study.trials[0]
    if not best.params or best.value == present.value:
        return {}, "nothing is better than the present values"
    if present.value is None:
        return best.params, "the present values give none"
    gain, error = mean_and_error(np.subtract(best.scores, present.scores))
    doubt = ", within the noise of the folds" if abs(gain) < 2 * error else ""
    return best.params, f"{p.metric} {gain:+.4g} +- {error:.2g} from the present values{doubt}"


def applied(study: Study, p: Tune, apply: bool) -> str:
    """Write the best values to params.yaml if asked, and say what is next.

    The file keeps its comments and its lines.
    """
    values, said = better(study, p)
    if not (values and apply):
        after = "To write the best to params.yaml: make tune APPLY=1" if values else ""
        return f"\n{said}. {after}".rstrip()
    with edited(config.PARAMS) as document:
        for name, value in values.items():
            place = document["train"]
            *path, last = name.split(".")
            for key in path:
                place = place[key]
            place[last] = value
    written = ", ".join(f"{name} {value}" for name, value in values.items())
    return f"\n{said}\nparams.yaml: {written}. Next: make pipeline"
