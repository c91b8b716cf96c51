"""Which rows are for training and which for the test, by a rule of gate.yaml."""

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from mlgitops.core.config import Rule, load
from mlgitops.core.errors import UserError, join_names
from mlgitops.data.contract import cast_table
from mlgitops.data.schema import Schema


class Split(Rule):
    """How the test set is chosen, and the share of the rows in it.

    group: rows with the same value of the column `group` stay together.
    """

    by: Literal["random", "time", "group"]
    test_share: Annotated[float, Field(ge=0.05, le=0.95)]
    seed: int
    group: str | None = None

    @model_validator(mode="after")
    def _group_has_a_column(self) -> Self:
        if (self.by == "group") is (self.group is None):
            raise ValueError("by: group needs group: COLUMN, and the other rules take none")
        return self


def test_rows(
    table: pd.DataFrame, rules: Schema, p: Split, groups: pd.Series | None = None
) -> np.ndarray:
    """Which rows are the test set: a boolean array of shape (rows,).

    random: the same share of each class; time: the newest rows, ties in random order; group: whole
    groups in random order, until they have the share. `groups` are the values of `group_of`.
    """
    if groups is not None:
        return group_test_rows(groups, p)
    order = np.random.default_rng(p.seed).permutation(len(table))
    if p.by == "time":
        if rules.time is None:
            raise UserError("gate.yaml: split.by is time, but schema.yaml names no time column")
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


def group_of(raw: pd.DataFrame, p: Split) -> pd.Series | None:
    """The column of the raw table whose rows stay together, used by the model or not."""
    if p.group is None:
        return None
    if p.group not in raw:
        raise UserError(
            f"gate.yaml: split.group: there is no column {p.group!r} in the table; there are "
            f"{join_names(raw.columns)}"
        )
    return raw[p.group]


def group_test_rows(groups: pd.Series, p: Split) -> np.ndarray:
    """The test rows where groups stay together; a row without a value is a group of its own."""
    codes = pd.factorize(groups)[0].astype("int64")
    alone = np.flatnonzero(codes < 0)
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise UserError(f"gate.yaml: split.group: {p.group} has one value only: nothing to split")
    order = np.random.default_rng(p.seed).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    chosen = before < max(1, round(len(groups) * p.test_share))
    if chosen.all():  # The last group has most of the rows.
        chosen[-1] = False
    return np.isin(codes, order[chosen])


def split_raw(raw: Path, rules: Schema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test rows of the raw table, typed, as gate.yaml assigns them."""
    frame, p = pd.read_parquet(raw), load(Split)
    table, _ = cast_table(frame, rules.columns)
    return split(table, rules, p, group_of(frame, p))


def split(
    table: pd.DataFrame, rules: Schema, p: Split, groups: pd.Series | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test set; every row of the table is in exactly one."""
    chosen = test_rows(table, rules, p, groups)
    train, test = table[~chosen], table[chosen]
    if train.empty:
        raise UserError(f"{len(table)} rows are too few to split: nothing is left to train on")
    if rules.task != "regression":
        unseen = set(test[rules.target].unique()) - set(train[rules.target].unique())
        if unseen:
            raise UserError(
                f"{rules.target}: {join_names(sorted(unseen))} occurs in the test set only; "
                "set split.by: random in gate.yaml"
            )
    return train.reset_index(drop=True), test.reset_index(drop=True)
