"""Which rows break schema.yaml, of the columns that there are."""

import pandas as pd

MOST = 20  # lines


def lines(broken: pd.DataFrame, rows: int) -> list[str]:
    """One line a broken rule, the most frequent first: the share of the rows, and an example.

    `broken` is what `contract.check` found in so many rows.
    """
    whole = broken[broken["row"] < 0]
    found = [f"{one.column}: {one.rule}" for one in whole.itertuples()]
    parts = broken[broken["row"] >= 0].groupby(["column", "rule"], sort=False)
    counted = [(len(some), *key, str(some["value"].iloc[0])) for key, some in parts]
    for number, column, rule, value in sorted(counted, key=lambda one: -one[0])[:MOST]:
        example = "" if rule == "has missing values" else f", as {value[:40]!r}"
        found.append(f"{column}: {rule}: {number / rows:.2%} of the rows{example}")
    return found
