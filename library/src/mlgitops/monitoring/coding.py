"""A column as bins, made of the rows of both sides together: then neither is privileged.

The permutation test rests on that. The last bin is that of missing values.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from mlgitops.monitoring import effects

FINE = 200  # bins of a number, for KS and Wasserstein
COARSE = 10  # and for PSI
NAMED = 2000  # categories that have a bin of their own; the others share one
SHOWN = 50  # the most frequent, which PSI tells apart
OTHER = "…"
CODE = "uint16"  # small: a permutation reads it in random order

Measures = dict[str, np.ndarray]


class Coded(NamedTuple):
    """A column of both sides: codes of shape (rows,), before first, below len(groups) + 1.

    `groups` has the group of each bin for PSI. A number has `points`, the mean of each bin, and a
    `spread`, the standard deviation before; a category has the `names` of its bins.
    """

    name: str
    codes: np.ndarray
    groups: np.ndarray
    points: np.ndarray | None = None
    spread: float = 1.0
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bins, with that of missing values."""
        return len(self.groups) + 1

    def measure(self, before: np.ndarray, now: np.ndarray) -> Measures:
        """Each measure of counts of shape (..., size)."""
        found = {"psi": effects.psi(self.by_group(before), self.by_group(now))}
        if self.points is not None and len(self.points):
            known = before[..., :-1], now[..., :-1]
            found["ks"] = effects.ks(*known)
            found["wasserstein"] = effects.wasserstein(*known, self.points) / self.spread
        return found

    def by_group(self, counts: np.ndarray) -> np.ndarray:
        """Counts of the groups, and of missing values."""
        order = np.argsort(self.groups, kind="stable")
        if not len(order):
            return counts
        starts = np.flatnonzero(np.diff(self.groups[order], prepend=-1))
        known = np.add.reduceat(counts[..., :-1][..., order], starts, axis=-1)
        return np.concatenate([known, counts[..., -1:]], axis=-1)


def code_number(name: str, before: pd.Series, now: pd.Series) -> Coded:
    """A number: a bin each value where there are few, else bins of about equal rows."""
    values = np.concatenate([one.to_numpy("float32", na_value=np.nan) for one in (before, now)])
    there = ~np.isnan(values)
    known = values[there].astype("float64")
    edges = np.unique(known)
    if len(edges) > FINE:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, FINE + 1), method="lower"))[:-1]
    bins = np.searchsorted(edges, known, side="right") - 1
    counts = np.bincount(bins, minlength=len(edges))
    points = np.bincount(bins, weights=known, minlength=len(edges)) / np.maximum(counts, 1)
    middle = np.cumsum(counts) - counts / 2
    groups = np.minimum((middle / max(len(known), 1) * COARSE).astype(int), COARSE - 1)
    codes = np.full(len(values), len(edges), dtype=CODE)
    codes[there] = bins
    own = known[: int(there[: len(before)].sum())]
    spread = float(np.std(own)) if len(own) else 0.0
    return Coded(name, codes, groups, points, spread or max(float(np.std(known)), 1e-12)
                 if len(known) else 1.0)  # fmt: skip


def code_category(name: str, before: pd.Series, now: pd.Series) -> Coded:
    """A category: a bin each, the most frequent first; those beyond the bins share one."""
    both = pd.concat([plain_text(before), plain_text(now)], ignore_index=True)
    counts = both.value_counts()
    order = sorted(counts.index, key=lambda value: (-counts[value], value))
    names = order[:NAMED] + [OTHER] * (len(order) > NAMED)
    place = {value: min(k, NAMED) for k, value in enumerate(order)}
    codes = both.map(place).fillna(len(names)).to_numpy(CODE)
    groups = np.minimum(np.arange(len(names)), SHOWN)
    return Coded(name, codes, groups, names=tuple(names))


def plain_text(values: pd.Series) -> pd.Series:
    """The values as text; missing ones stay missing."""
    text = values.astype("object").where(values.notna(), None)
    return text.map(lambda value: None if value is None else str(value)).astype("object")


def code(name: str, kind: str, before: pd.Series, now: pd.Series) -> Coded:
    """A column of a type of schema.yaml."""
    make = code_number if kind in ("number", "integer") else code_category
    return make(name, before, now)
