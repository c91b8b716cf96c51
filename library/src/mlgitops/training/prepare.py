"""Split the data into training and test set."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from mlgitops.core import config
from mlgitops.data import contract, schema
from mlgitops.core.errors import Mistake, listed
from mlgitops.core.files import replacing


class Prepare(config.Section):
    """How the test set is chosen, and the share of the rows in it."""

    split: Literal["random", "time"]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    seed: int


def test_rows(table: pd.DataFrame, rules: schema.Schema, p: Prepare) -> np.ndarray:
    """Which rows are the test set: a boolean array of shape (rows,).

    random: the same share of each class; time: the newest rows, ties in random order.
    """
    order = np.random.default_rng(p.seed).permutation(len(table))
    if p.split == "time":
        if rules.time is None:
            raise Mistake(
                "params.yaml: prepare.split is time, but schema.yaml names no time column"
            )
        oldest_first = table[rules.time].iloc[order].argsort(kind="stable").to_numpy()
        groups = [order[oldest_first][::-1]]
    elif rules.task == "regression":
        groups = [order]
    else:
        labels = table[rules.target].to_numpy()[order]
        groups = [order[labels == label] for label in pd.unique(labels)]
    chosen = np.zeros(len(table), dtype=bool)
    for group in groups:
        chosen[group[: max(1, round(len(group) * p.test_share))]] = True
    return chosen


def split(
    table: pd.DataFrame, rules: schema.Schema, p: Prepare
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test set; every row of the table is in exactly one."""
    chosen = test_rows(table, rules, p)
    train, test = table[~chosen], table[chosen]
    if train.empty:
        raise Mistake(f"{len(table)} rows are too few to split: nothing is left to train on")
    if rules.task != "regression":
        unseen = set(test[rules.target].unique()) - set(train[rules.target].unique())
        if unseen:
            raise Mistake(
                f"{rules.target}: {listed(sorted(unseen))} occurs in the test set only; "
                "set prepare.split: random in params.yaml"
            )
    return train.reset_index(drop=True), test.reset_index(drop=True)


def prepare(raw: Path, train: Path, test: Path) -> None:
    """Split the data into training and test set."""
    rules = schema.load()
    table, _ = contract.typed(pd.read_parquet(raw), rules.columns)
    for part, path in zip(split(table, rules, config.load(Prepare)), (train, test), strict=True):
        with replacing(path) as temporary:
            part.to_parquet(temporary, index=False)
        print(f"{path}: {len(part)} rows")
