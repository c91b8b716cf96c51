"""A random sample of rows that stream by, each as likely as any other, in bounded memory."""

from collections.abc import Callable

import numpy as np
import pandas as pd


class Sample:
    """At most `most` rows; each gets a random key, and the smallest keys stay."""

    def __init__(self, most: int, seed: int = 0) -> None:
        """Start with no row."""
        self.most, self.seen = most, 0
        self.chance = np.random.default_rng(seed)
        self.bound = 1.0
        self.kept: list[pd.DataFrame] = []
        self.keys: list[np.ndarray] = []

    def add(self, rows: int, pick: Callable[[np.ndarray], pd.DataFrame]) -> None:
        """Some rows; `pick` gives those at positions, and is asked for no others."""
        self.seen += rows
        keys = self.chance.random(rows)
        chosen = np.flatnonzero(keys < self.bound)
        if not len(chosen):
            return
        self.keys.append(keys[chosen])
        self.kept.append(pick(chosen))
        if sum(map(len, self.keys)) > 2 * self.most:
            self.reduce()

    def reduce(self) -> None:
        """Keep the smallest keys only, in the order in which their rows came."""
        keys = np.concatenate(self.keys)
        rows = pd.concat(self.kept, ignore_index=True)
        if len(keys) > self.most:
            self.bound = float(np.partition(keys, self.most)[self.most])
            rows, keys = rows[keys < self.bound].reset_index(drop=True), keys[keys < self.bound]
        self.kept, self.keys = [rows], [keys]

    def rows(self) -> pd.DataFrame:
        """The sample; a table without columns if there was no row."""
        if not self.kept:
            return pd.DataFrame()
        self.reduce()
        return self.kept[0]
