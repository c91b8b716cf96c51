"""Plain estimators on the rows that a project trained and tested on, and what each loses there."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import linear_model
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

NAMES = ("linear", "forest", "histogram", "lightgbm")
SEEDED = {"random_state": 0}


def plain_losses(project: Path) -> dict[str, float]:
    """The log loss or RMSE of each on data/test.parquet, and the dummy's."""
    warnings.simplefilter("ignore")
    rules = yaml.safe_load((project / "schema.yaml").read_text("utf-8"))
    train, test = (pd.read_parquet(project / f"data/{part}.parquet") for part in ("train", "test"))
    target, columns = rules["target"], dict(rules["columns"])
    inputs = {n: c for n, c in columns.items()
              if c["type"] != "time" and n not in (target, rules["time"])}  # fmt: skip
    texts = [name for name, column in inputs.items() if column["type"] == "category"]
    numbers = [name for name in inputs if name not in texts]
    found = {}
    for name, one in models(rules["task"] == "regression", texts, numbers).items():
        fitted = one.fit(plain(train, texts, numbers), train[target])
        found[name] = loss(fitted, plain(test, texts, numbers), test[target].to_numpy())
    return found


def plain(table: pd.DataFrame, texts: list[str], numbers: list[str]) -> pd.DataFrame:
    """Numbers as float64, categories as text."""
    return pd.DataFrame(
        {name: table[name].astype("float64") for name in numbers}
        | {name: table[name].fillna("").astype("object") for name in texts}
    )


def models(regression: bool, texts: list[str], numbers: list[str]) -> dict[str, Pipeline]:
    """Each with its columns: one-hot for the linear one and the forest, codes for boosting."""
    one_hot = OneHotEncoder(handle_unknown="ignore")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    number = SimpleImputer(strategy="median", keep_empty_features=True)
    scaled = make_pipeline(number, StandardScaler())
    made: dict[str, tuple[BaseEstimator, BaseEstimator, BaseEstimator]] = {
        "linear": (scaled, one_hot, linear_model.Ridge() if regression
                   else linear_model.LogisticRegression(max_iter=1000)),
        "forest": (number, one_hot, RandomForestRegressor(200, n_jobs=-1, **SEEDED) if regression
                   else RandomForestClassifier(200, n_jobs=-1, **SEEDED)),
        "histogram": ("passthrough", codes,
                      HistGradientBoostingRegressor(early_stopping=True, **SEEDED) if regression
                      else HistGradientBoostingClassifier(early_stopping=True, **SEEDED)),
        "lightgbm": ("passthrough", codes, LGBMRegressor(verbose=-1, **SEEDED) if regression
                     else LGBMClassifier(verbose=-1, **SEEDED)),
        "dummy": (number, codes, DummyRegressor() if regression else DummyClassifier()),
    }  # fmt: skip
    return {
        name: make_pipeline(ColumnTransformer([("n", first, numbers), ("t", second, texts)]), one)
        for name, (first, second, one) in made.items()
    }


def loss(fitted: Pipeline, table: pd.DataFrame, actual: np.ndarray) -> float:
    """RMSE, or the log loss with the clipping of the library's."""
    if not hasattr(fitted, "classes_"):
        return float(np.sqrt(np.mean((fitted.predict(table) - actual) ** 2)))
    chances = np.clip(fitted.predict_proba(table), 1e-15, 1)
    places = {label: k for k, label in enumerate(fitted.classes_)}
    chosen = chances[np.arange(len(actual)), [places[one] for one in actual]]
    return float(-np.log(chosen).mean())
