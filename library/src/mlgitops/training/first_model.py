"""`make data` with a new table: the default of `train` is chosen among a few candidates.

They are compared by cross-validation on the training set alone. The work is counted in fits and
rows, never timed, so that a slow machine chooses the same.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml.comments import CommentedMap
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

from mlgitops.core import config, paths
from mlgitops.core.config import LOSSES, Section
from mlgitops.core.errors import UserError
from mlgitops.core.print_metrics import align
from mlgitops.data import schema
from mlgitops.data.ingest import edit_yaml
from mlgitops.data.split import Split
from mlgitops.training import hooks
from mlgitops.training.candidates import Candidate, Traits, candidates
from mlgitops.training.cross_validation import (
    Folds,
    mean_and_error,
    measure_each,
    split_rows,
    workers,
)
from mlgitops.training.evaluate import Evaluate
from mlgitops.training.features import target
from mlgitops.training.prepare import prepare_raw

WORK = 800_000  # rows of all fits together; one more class of a boosting counts as one fit more
WIDTH = 20  # columns; a wider table has fewer rows for the same work
SMALL = 3000  # rows; a smaller table has five folds, a larger one three
NEAR = 1.005  # a simpler candidate is taken if it loses at most so much more than the best
BACKEND = "loky"  # of the fits: a process for each core
BUDGET = 50.0  # megabytes, where gate.yaml says nothing

Result = dict[str, Any]


def choose() -> str:
    """Compare the candidates and write the best to params.yaml; what to print."""
    rules, kind = schema.load(), hooks.section("train")
    if "estimator" not in kind.model_fields:
        return f"{paths.CODE}/train.py takes no estimator of params.yaml: none is chosen"
    examples, _ = prepare_raw(paths.RAW, rules)
    tried = candidates(traits_of(examples, rules))
    some = sample(examples, rules, tried)
    found = compare(folds_of(some, rules), tried, kind)
    winner, verdict = pick(tried, found)
    write(winner, kind)
    where = f"on {len(some)} of {len(examples)} training rows"
    return f"\nfirst model, by cross-validation {where}:\n{table(tried, found, rules)}\n{verdict}"


def traits_of(examples: pd.DataFrame, rules: schema.Schema) -> Traits:
    """What the candidates depend on."""
    gate = config.sections(config.RULES).get("gate") or {}
    megabytes = float((gate.get("budget") or {}).get("model_mb", BUDGET))
    if rules.task == "regression":
        return Traits(rules.task, 1, len(examples), megabytes)
    counts = target(examples, rules).value_counts()
    return Traits(rules.task, len(counts), int(counts.min()), megabytes)


def number_of_folds(rows: int) -> int:
    """More folds where there are few rows to learn from."""
    return 5 if rows <= SMALL else 3


def sample(
    examples: pd.DataFrame, rules: schema.Schema, tried: Sequence[Candidate]
) -> pd.DataFrame:
    """So many rows that all fits together are within the work; the newest ones, if in time."""
    a_row = sum(one.work for one in tried) * max(1.0, len(rules.features) / WIDTH)
    most = int(WORK / (number_of_folds(len(examples)) * a_row))
    if len(examples) <= most:
        return examples
    if config.load(Split).by == "time":
        return examples.sort_values(rules.time, kind="stable").tail(most)
    return examples.sample(most, random_state=0).sort_index()


def folds_of(examples: pd.DataFrame, rules: schema.Schema) -> Folds:
    """The folds as the test set is split: forward in time, whole groups, or at random."""
    number, p = number_of_folds(len(examples)), config.load(Split)
    if p.by == "time":
        examples = examples.sort_values(rules.time, kind="stable").reset_index(drop=True)
        forward = TimeSeriesSplit(number, test_size=max(1, len(examples) // (2 * number)))
        splits = list(forward.split(examples))
    elif p.group in examples:
        splits = list(GroupKFold(number).split(examples, groups=examples[p.group]))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds
            splits = split_rows(examples, rules, number, seed=0)
    return Folds(examples, rules, LOSSES[rules.task][0], config.load(Evaluate).bins, splits)


def compare(folds: Folds, tried: Sequence[Candidate], kind: type[Section]) -> list[Result]:
    """The summary of the folds for each candidate."""
    settings = [
        config.parse(kind, values_for(one, kind), f"{config.PARAMS}: train") for one in tried
    ]
    with workers(BACKEND, -1) as parallel:
        return list(measure_each(parallel, folds, settings))


def values_for(one: Candidate, kind: type[Section]) -> dict[str, Any]:
    """The values of a candidate that the project's train.py takes, beside those that stay."""
    present = config.sections(config.PARAMS).get("train") or {}
    chosen = {name: value for name, value in one.values.items() if name in kind.model_fields}
    return present | chosen


def pick(tried: Sequence[Candidate], found: Sequence[Result]) -> tuple[Candidate, str]:
    """The simplest candidate that is nearly as good as the best, and by how much it is better."""
    pairs = [(a, b) for a, b in zip(tried, found, strict=True) if "value" in b]
    reference, rest = pairs[0][1], pairs[1:]
    if tried[0] is not pairs[0][0] or not rest:
        raise UserError(f"no candidate can be fitted: {found[-1].get('reason')}")
    best = min(one["value"] for _, one in rest)
    winner, result = next((a, b) for a, b in rest if b["value"] <= NEAR * best)
    gain, error = mean_and_error(np.subtract(reference["scores"], result["scores"]))
    text = f"{winner.name}: {gain:.4g} ± {error:.2g} better than the dummy baseline"
    if gain <= 0:
        text = f"nothing is better than the dummy baseline; {winner.name} comes nearest"
    return winner, f"{text}. Written to {config.PARAMS}; make tune refines it"


def table(tried: Sequence[Candidate], found: Sequence[Result], rules: schema.Schema) -> str:
    """A row a candidate."""
    return align(
        [
            {
                "candidate": one.name,
                LOSSES[rules.task][0]: result.get("value"),
                "+-": result.get("spread"),
                "": result.get("reason", "")[:60],
            }
            for one, result in zip(tried, found, strict=True)
        ]
    )


def write(winner: Candidate, kind: type[Section]) -> None:
    """The candidate to params.yaml as explicit values, with ranges that suit it."""
    with edit_yaml(config.PARAMS) as document:
        for name, value in values_for(winner, kind).items():
            document["train"][name] = in_line(value) if isinstance(value, dict) else value
        if "tune" in document:
            document["tune"]["ranges"] = CommentedMap(
                {name: in_line(one) for name, one in winner.ranges.items()}
            )


def in_line(values: dict[str, Any]) -> CommentedMap:
    """A mapping that YAML writes on one line."""
    made = CommentedMap(values)
    made.fa.set_flow_style()
    return made
