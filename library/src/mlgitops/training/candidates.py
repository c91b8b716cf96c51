"""The models that are compared for a new table. All can be written as ONNX.

A simpler one comes before the others: of equally good ones the first is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlgitops.data.schema import Task

TREES = 100  # of a forest
FULL = 0.6  # of the budget for the model's size, that a forest may take
LEAF, SHARE = 75, 13  # bytes of ONNX for a leaf, and for each class in it
RARE = 10  # rows of a class, below which early stopping cannot hold some of them out
FREQUENT = 400  # values of a category that are one-hot encoded for a linear model

Values = dict[str, Any]


@dataclass(frozen=True)
class Traits:
    """What the candidates depend on: task, classes, rows of the rarest one, megabytes allowed."""

    task: Task
    classes: int
    rarest: int
    megabytes: float


@dataclass(frozen=True)
class Candidate:
    """A name, values of the section `train`, ranges for `make tune`; `work`: of a row of a fit."""

    name: str
    values: Values
    ranges: Mapping[str, Values] = field(default_factory=dict)
    work: int = 1


def candidates(traits: Traits) -> list[Candidate]:
    """The dummy, and then what may be chosen."""
    return [dummy(traits), *linear(traits), *boosting(traits), *forests(traits)]


def kind(traits: Traits) -> str:
    """How the classes of scikit-learn end."""
    return "Regressor" if traits.task == "regression" else "Classifier"


def dummy(traits: Traits) -> Candidate:
    """The class shares, or the mean."""
    return Candidate(
        "dummy", {"estimator": {"class": f"sklearn.dummy.Dummy{kind(traits)}"}, "one_hot": 0}
    )


def linear(traits: Traits) -> list[Candidate]:
    """Two strengths of a penalty."""
    if traits.task == "regression":
        path, name, strengths, rest = "Ridge", "alpha", (100.0, 1.0), {}
    else:
        path, name, strengths, rest = "LogisticRegression", "C", (0.03, 1.0), {"max_iter": 1000}
    return [
        Candidate(
            f"linear, {name} {strength:g}",
            {
                "estimator": {"class": f"sklearn.linear_model.{path}", name: strength} | rest,
                "one_hot": FREQUENT,
                "many": "frequent",
                "scale": True,
            },
            {f"estimator.{name}": {"low": 0.001, "high": 1000.0, "log": True}},
        )
        for strength in strengths
    ]


def boosting(traits: Traits) -> list[Candidate]:
    """Small trees in small steps and the usual ones, which stop early; and all of 200 rounds."""
    stops = 300 if traits.task == "regression" or traits.rarest >= RARE else None
    shapes = {
        "small trees": (0.05, 6, 10.0, stops),
        "usual trees": (0.1, 31, 1.0, stops),
        "every round": (0.05, 31, 0.0, None),
    }
    ranges: dict[str, Values] = {
        "estimator.learning_rate": {"low": 0.01, "high": 0.3, "log": True},
        "estimator.max_leaf_nodes": {"low": 4, "high": 63, "log": True},
        "estimator.l2_regularization": {"low": 0.01, "high": 100.0, "log": True},
    }
    work = traits.classes if traits.classes > 2 else 1
    return [
        Candidate(f"boosting, {name}", boosting_values(traits, *shape), ranges, work)
        for name, shape in shapes.items()
    ]


def boosting_values(
    traits: Traits, rate: float, leaves: int, penalty: float, most: int | None
) -> Values:
    """Histogram boosting that stops early, within `most` rounds; without, of 10 / rate rounds.

    Where a class is too rare, none of its rows can be held out to stop by.
    """
    estimator = {
        "class": f"sklearn.ensemble.HistGradientBoosting{kind(traits)}",
        "learning_rate": rate,
        "max_leaf_nodes": leaves,
        "l2_regularization": penalty,
        "max_iter": most or round(10 / rate),
        "early_stopping": most is not None,
        "random_state": 0,
    }
    return {"estimator": estimator, "one_hot": 16, "many": "rank", "scale": False}


def forests(traits: Traits) -> list[Candidate]:
    """Two sizes of the smallest leaf, each with so few leaves that the budget is kept."""
    share = SHARE * traits.classes
    most = int(FULL * traits.megabytes * 1e6 / (LEAF + share) / TREES)
    return [
        Candidate(
            f"forest, leaves of {rows}",
            {
                "estimator": {
                    "class": f"sklearn.ensemble.RandomForest{kind(traits)}",
                    "n_estimators": TREES,
                    "min_samples_leaf": rows,
                    "max_leaf_nodes": max(8, most),
                    "max_features": 0.5 if traits.task == "regression" else "sqrt",
                    "random_state": 0,
                },
                "one_hot": FREQUENT,
                "many": "frequent",
                "scale": False,
            },
            {"estimator.min_samples_leaf": {"low": 1, "high": 30, "log": True}},
        )
        for rows in (5, 1)
    ]
