"""A classifier for any labels around one that takes only 0, 1, 2, …: XGBoost's and CatBoost's.

Here, because a pickle names the class and the server has no other room of the library.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted


class NumberedLabels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers the labels in sorted order, fits `estimator` to the numbers, answers in labels."""

    def __init__(self, estimator: Any) -> None:
        """Around an estimator that is not fitted yet."""
        self.estimator = estimator

    def fit(self, rows: Any, labels: Any, **arguments: Any) -> "NumberedLabels":
        """Fit a copy of the estimator to `rows`, shape (n, columns), and `labels`, shape (n,)."""
        self.classes_, numbers = np.unique(np.asarray(labels), return_inverse=True)
        self.estimator_ = clone(self.estimator).fit(rows, numbers, **arguments)
        return self

    def predict(self, rows: Any) -> np.ndarray:
        """The likeliest label of each row: shape (n,)."""
        likeliest = self.predict_proba(rows).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def predict_proba(self, rows: Any) -> np.ndarray:
        """The probability of each label, in the order of `classes_`: shape (n, labels)."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_proba(rows))
