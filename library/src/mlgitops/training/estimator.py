"""The estimator that params.yaml names by its class."""

import copyreg
from importlib import import_module

from pydantic import BaseModel, ConfigDict, Field
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper

from mlgitops.core.errors import UserError
from mlgitops.data.schema import Task
from mlgitops.training import boosting

# It remembers the number of threads it was fitted with, which would change the file's hash.
copyreg.pickle(
    _BinMapper, lambda mapper: (_BinMapper, (), mapper.__getstate__() | {"n_threads": None})
)


class Estimator(BaseModel):
    """A class by its import path; every other key is an argument of the class."""

    model_config = ConfigDict(frozen=True, extra="allow")
    path: str = Field(alias="class")


def make_estimator(task: Task, wanted: Estimator) -> BaseEstimator:
    """The estimator, made with its arguments; a UserError if it does not fit the task."""
    module, _, name = wanted.path.rpartition(".")
    if not module:
        raise UserError(
            "params.yaml: train.estimator: give the class with its module, "
            f"as in sklearn.linear_model.LogisticRegression, not {name!r}"
        )
    try:
        found = getattr(import_module(module), name)(**wanted.model_extra or {})
        fits = is_regressor(found) if task == "regression" else is_classifier(found)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise UserError(f"params.yaml: train.estimator: {wanted.path}: {error}") from None
    if not fits:
        kind = "regressor" if task == "regression" else "classifier"
        raise UserError(f"params.yaml: train.estimator: a {task} task needs a {kind}, not a {name}")
    if task != "regression" and not hasattr(found, "predict_proba"):
        raise UserError(
            f"params.yaml: train.estimator: a {name} with these arguments gives no probabilities"
        )
    return boosting.adapt(found)
