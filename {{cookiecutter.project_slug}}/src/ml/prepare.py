"""Prepare the rows that the model learns from. The test set never gets here.

Clean, weight, resample: columns that are added reach `fit` in train.py.
"""

from typing import Annotated

import pandas as pd
from mlgitops.core.config import Section
from mlgitops.data.schema import Schema
from pydantic import Field


class Prepare(Section):
    """The share of the training rows to learn from, as for a quick try; drawn by the seed."""

    share: Annotated[float, Field(gt=0, le=1)]
    seed: int


def prepare(examples: pd.DataFrame, schema: Schema, p: Prepare) -> pd.DataFrame:
    """The rows to learn from, with the columns of `schema`, in the order of `examples`."""
    if p.share == 1:
        return examples
    return examples.sample(frac=p.share, random_state=p.seed).sort_index()
