"""All columns together: how well a classifier tells the rows now from those before.

It learns on one half of the rows and is tried on the other, so the labels of that half may be dealt
out again: the share of such tries that do as well is exact, and costs no further fit.
"""

from collections.abc import Sequence

import numpy as np

from mlgitops.monitoring.calibration import Judged, Sides
from mlgitops.monitoring.coding import Coded

MOST = 10_000  # rows that the classifier sees
LEVELS = 255  # categories that it tells apart


def table(columns: Sequence[Coded]) -> tuple[np.ndarray, list[bool]]:
    """The columns as numbers of shape (rows, columns), NaN where missing; which are categories."""
    found, kinds = [], []
    for one in columns:
        missing = one.codes == len(one.groups)
        kinds.append(one.points is None)
        codes = np.minimum(one.codes, LEVELS - 1) if kinds[-1] else one.codes
        found.append(np.where(missing, np.nan, codes.astype("float64")))
    return np.column_stack(found), kinds


def scores(
    values: np.ndarray, kinds: list[bool], is_now: np.ndarray, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Of the half that the classifier has not seen: ranks of its scores, and which rows are now."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    order = chance.permutation(len(values))[:MOST]
    learn, tried = np.array_split(order, 2)
    if len(np.unique(is_now[learn])) < 2 or len(np.unique(is_now[tried])) < 2:
        return np.array([1.5, 1.5]), np.array([False, True])
    model = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=8, learning_rate=0.15, early_stopping=False,
        categorical_features=kinds, random_state=0,
    )  # fmt: skip
    with threadpool_limits(1):  # so few rows are no work for several threads
        model.fit(values[learn], is_now[learn])
        return ranks(model.decision_function(values[tried])), is_now[tried]


def ranks(score: np.ndarray) -> np.ndarray:
    """The rank of each score from 1; equal ones share their mean."""
    _, group, counts = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[group])


def gini(order: np.ndarray, is_now: np.ndarray) -> float:
    """How well ranks tell the rows apart: 0 as by chance, 1 without an error (2 AUC - 1)."""
    now = int(is_now.sum())
    pairs = now * (len(order) - now)
    return float(2 * (order[is_now].sum() - now * (now + 1) / 2) / pairs - 1)


def threshold(
    order: np.ndarray, is_now: np.ndarray, rate: float, times: int, chance: np.random.Generator
) -> float:
    """What the measure exceeds at the rate if the labels mean nothing."""
    found = [gini(order, chance.permutation(is_now)) for _ in range(times)]
    return float(np.sort(found)[-int(rate * (times + 1))])


def judge(columns: Sequence[Coded], sides: Sides, rate: float, times: int, seed: int) -> Judged:
    """How far all columns together are apart."""
    chance = np.random.default_rng(seed)
    values, kinds = table(columns)
    is_now = np.arange(len(values)) >= sides.before
    order, labels = scores(values, kinds, is_now, chance)
    usual = 0.0
    for rows in sides.blocks:
        part = np.zeros(sides.before, dtype=bool)
        part[rows] = True
        usual = max(usual, gini(*scores(values[: sides.before], kinds, part, chance)))
    return Judged(gini(order, labels), threshold(order, labels, rate, times, chance), usual)
