"""What a model answered, as columns that can be compared."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mlgitops.training.exported_model import Labels, Predictions

ANSWER = "prediction"
CLASSES = 10  # whose probabilities are compared


def kinds(labels: Labels) -> dict[str, str]:
    """The columns of a model's answers with their types: of two classes, one probability."""
    if labels is None:
        return {ANSWER: "number"}
    shown = labels[1:] if len(labels) == 2 else labels[:CLASSES]
    return {ANSWER: "category"} | {probability(label): "number" for label in shown}


def probability(label: object) -> str:
    """The name of the column with the probability of a class."""
    return f"probability of {label}"


def table(answer: Predictions, labels: Labels) -> pd.DataFrame:
    """The answers as these columns."""
    values: dict[str, np.ndarray] = {ANSWER: answer.values}
    if labels is not None and answer.probabilities is not None:
        values |= {probability(one): answer.probabilities[:, k] for k, one in enumerate(labels)}
    return pd.DataFrame({name: values[name] for name in kinds(labels)})


def answers_of(about: pd.DataFrame, labels: Labels) -> Predictions:
    """The answers of a log: values of shape (rows,), probabilities NaN where they are not there."""
    if labels is None:
        return Predictions(about["output"].to_numpy("float64"), None)
    # JSON has no other keys than texts.
    rows = [one if isinstance(one, Mapping) else {} for one in about["scores"]]
    chances = [[row.get(str(label), np.nan) for label in labels] for row in rows]
    shape = len(rows), len(labels)
    return Predictions(
        about["output"].to_numpy(), np.asarray(chances, dtype="float64").reshape(shape)
    )
