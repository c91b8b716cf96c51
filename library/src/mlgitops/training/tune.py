"""`make tune`: search the ranges of params.yaml by cross-validation on the training set."""

import hashlib
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from pydantic import Field, NonNegativeInt, PositiveInt
from tqdm import tqdm

from mlgitops.core import config, paths
from mlgitops.core.config import Section
from mlgitops.core.errors import UserError
from mlgitops.core.files import alone, write_json
from mlgitops.core.pipeline_version import PIPELINE
from mlgitops.core.print_metrics import align
from mlgitops.data import schema
from mlgitops.data.ingest import edit_yaml
from mlgitops.git import repository
from mlgitops.training import hooks
from mlgitops.training.cross_validation import (
    Folds,
    mean_and_error,
    measure_each,
    split_rows,
    workers,
)
from mlgitops.training.evaluate import Evaluate
from mlgitops.training.metrics import HIGHER_IS_BETTER
from mlgitops.training.search import Range, Search, Settings, replace_values, values_of

TRAINING = paths.TRAIN
STUDIES = paths.TRIALS
SHOWN = 10  # trials of the table
BUSY = "another `make tune` is searching here: wait until it has ended, or stop it with Ctrl-C"


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
    seconds: Annotated[
        str, typer.Option("--time", help="Stop after so many seconds; 10m: minutes, 2h: hours.")
    ] = "",
) -> None:
    """Search the ranges of params.yaml; what an earlier search of the same has tried counts."""
    limit = seconds_of(seconds)
    p, present = config.load(Tune), config.load(hooks.section("train"))
    if not TRAINING.exists():
        raise UserError(f"{TRAINING} is not there: make pipeline")
    STUDIES.mkdir(parents=True, exist_ok=True)
    with alone(STUDIES / "search", BUSY):
        study = load_study(p, present)
        if study.trials:
            print(f"{len(study.trials) - 1} of {p.trials} trials are already there")
        study = complete(study, p, present, time.monotonic() + limit)
    print(report(study, p))
    print(apply_best(study, p, apply))


def seconds_of(text: str) -> float:
    """A time as seconds: 90, 90s, 10m or 2h; an empty one is endless."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text.strip())
    if text and not found:
        raise UserError(f"TIME={text}: say seconds, or 10m for minutes, 2h for hours")
    units = {"": 1, "s": 1, "m": 60, "h": 3600}
    return float(found[1]) * units[found[2]] if found else math.inf


def complete(study: Study, p: Tune, present: Section, end: float = math.inf) -> Study:
    """The study with the trials that it lacks, each written as soon as it is known.

    Past `end`, on the clock of `time.monotonic`, no further trial is waited for; one is always
    measured, so that a search which is started again gets further.
    """
    found = trials(p, present, study.trials)
    done, total = len(study.trials), p.trials + 1
    try:
        for trial in tqdm(found, initial=done, total=total, unit=" trials"):
            longer = study.model_copy(update={"trials": (*study.trials, trial)})
            write_json(longer.model_dump(mode="json"), path_of(study))
            study = longer
            if time.monotonic() >= end and len(study.trials) <= p.trials:
                done = len(study.trials) - 1
                print(f"\nthe time is over after {done} of {p.trials} trials; make tune continues")
                break
    except KeyboardInterrupt:
        print(f"\nstopped after {len(study.trials)} trials; make tune continues from there")
        raise
    return study


def load_study(p: Tune, present: Section) -> Study:
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


def trials(p: Tune, present: Section, done: Sequence[Trial]) -> Iterator[Trial]:
    """The trials that are missing, in order, each as soon as it is known.

    What a batch tries depends on the batches before it alone: a search that was stopped, or that
    runs on more cores, ends with the same trials.
    """
    known, folds = list(done), folds_of(p)
    with workers(p.backend, p.jobs) as parallel:
        while len(known) <= p.trials:
            settings = missing_settings(known, p, present)
            changed = [replace_values(present, one) for one in settings]
            results = measure_each(parallel, folds, changed)
            for one, values in zip(settings, results, strict=True):
                trial = Trial(number=len(known), params=one, when=round(time.time(), 3), **values)
                known.append(trial)
                yield trial


def folds_of(p: Tune) -> Folds:
    """The training set in folds, with the metric of params.yaml."""
    rules, examples = schema.load(), pd.read_parquet(TRAINING)
    splits = split_rows(examples, rules, p.folds, p.seed)
    return Folds(examples, rules, p.metric, config.load(Evaluate).bins, splits)


def missing_settings(known: Sequence[Trial], p: Tune, present: Section) -> list[Settings]:
    """What the batch that comes next, or that was stopped within, has still to try."""
    if not known:
        return [{}]
    start = (len(known) - 1) // p.batch * p.batch
    search = Search(present, p.ranges, p.metric in HIGHER_IS_BETTER, p.seed, p.batch)
    before = [(one.params, one.value) for one in known[: start + 1]]
    return search.ask(before)[len(known) - 1 - start : p.trials - start]


def rank(study: Study, p: Tune) -> list[Trial]:
    """The trials that gave a value, best first; of equal ones the earlier."""
    sign = -1 if p.metric in HIGHER_IS_BETTER else 1
    known = [(trial.value, trial) for trial in study.trials if trial.value is not None]
    if not known:
        raise UserError(f"no trial gave a value: {study.trials[0].reason}")
    return [trial for value, trial in sorted(known, key=lambda pair: sign * pair[0])]


def report(study: Study, p: Tune) -> str:
    """The best trials and the current values, as a table."""
    best = rank(study, p)
    shown = best[:SHOWN] + [trial for trial in best[SHOWN:] if trial.number == 0]
    rows = []
    for trial in shown:
        values = trial.params or values_of(config.load(hooks.section("train")), p.ranges)
        rows.append(
            {
                "trial": f"{trial.number}" if trial.number else "current",
                p.metric: trial.value,
                "+-": trial.spread,
                **{name: values.get(name) for name in p.ranges},
            }
        )
    failed = len(study.trials) - len(best)
    return f"\n{align(rows)}" + (f"\n{failed} trials failed" if failed else "")


def best_values(study: Study, p: Tune) -> tuple[Settings, str]:
    """The best values and how much better they are; none if the current ones are as good."""
    best, present = rank(study, p)[0], study.trials[0]
    if not best.params or best.value == present.value:
        return {}, "nothing is better than the current values"
    if present.value is None:
        return best.params, "the current values give none"
    gain, error = mean_and_error(np.subtract(best.scores, present.scores))
    doubt = ", within the noise of the folds" if abs(gain) < 2 * error else ""
    side = "lower" if gain < 0 else "higher"
    return best.params, f"{p.metric}: {abs(gain):.4g} ± {error:.2g} {side} than now{doubt}"


def apply_best(study: Study, p: Tune, apply: bool) -> str:
    """Write the best values to params.yaml if asked, and say what is next.

    The file keeps its comments and its lines.
    """
    values, said = best_values(study, p)
    if not (values and apply):
        after = "To write the best to params.yaml: make tune APPLY=1" if values else ""
        return f"\n{said}. {after}".rstrip()
    with edit_yaml(config.PARAMS) as document:
        for name, value in values.items():
            place = document["train"]
            *path, last = name.split(".")
            for key in path:
                place = place[key]
            place[last] = value
    written = ", ".join(f"{name} {value}" for name, value in values.items())
    return f"\n{said}\nparams.yaml: {written}. Next: make pipeline"
