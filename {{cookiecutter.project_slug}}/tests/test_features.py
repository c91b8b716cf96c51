"""Features give the same in training, where they compute in numpy, and where they are served."""

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core import config
from mlgitops.data import contract
from mlgitops.serving.features import derive
from mlgitops.training import export, hooks
from mlgitops.training.convert import features_alone
from mlgitops.training.features import inputs

DRAWN = 20  # columns at most whose values are drawn, the ones that features read first
TOLERANCE = 0.0001  # of a value, or of the feature's spread


class Read(dict):
    """Columns that remember which of them were read."""

    def __init__(self, columns):
        super().__init__(columns)
        self.names = []

    def __getitem__(self, name):
        self.names.append(name)
        return super().__getitem__(name)


@pytest.fixture(scope="module")
def features():
    """What features.py lists."""
    return hooks.features()


@pytest.fixture(scope="module")
def table(data, rules):
    """The rows to learn from, as features get them."""
    return inputs(data.train, rules.features)


@pytest.fixture(scope="module")
def columns(table):
    """Their columns by name."""
    return Read({name: table[name].to_numpy() for name in table})


@pytest.fixture(scope="module")
def model_features(model, features, rules):
    """The features of a table as the served model makes them: in its graph, or in its pickle."""
    if config.load(export.Export).format == "sklearn":
        first = joblib.load(model.folder / "model.joblib")[0]
        return lambda table: first.transform(table)[[one.__name__ for one in features]]
    graph = features_alone(features, rules.features).SerializeToString() if features else None
    session = graph and onnxruntime.InferenceSession(graph)

    def make(table):
        asked = {name: table[[name]].to_numpy() for name in table}
        answers = session.run(None, asked) if session else []
        names = [one.__name__ for one in features]
        return pd.DataFrame(dict(zip(names, (one[:, 0] for one in answers), strict=True)))

    return make


def value(column, seen):
    """A value that the contract allows: a number within its range, a category, or none."""
    match column.type:
        case "category":
            known = column.categories or (*seen.astype("str").unique()[:20], "never seen")
            allowed = st.sampled_from(known)
        case "boolean":
            allowed = st.booleans()
        case kind:
            low, high = column.range or (seen.min(), seen.max())
            low, high = (0, 1) if pd.isna(low) else (float(low), float(high))
            whole = st.integers(int(np.ceil(low)), int(np.floor(high)))
            allowed = whole if kind == "integer" else st.floats(low, high)
    return st.none() | allowed if column.nullable else allowed


@pytest.fixture(scope="module")
def rows(data, rules, features, columns):
    """Samples rows of the table with other values in them."""
    for feature in features:
        feature(columns, np)
    names = list(dict.fromkeys([*columns.names, *rules.features]))
    drawn = names[: max(DRAWN, len(set(columns.names)))]
    some = data.train[list(rules.features)].head(3).astype("object")
    changes = st.fixed_dictionaries(
        {name: value(rules.features[name], data.train[name].dropna()) for name in drawn}
    )

    def change(values):
        table = some.copy()
        for row, change in enumerate(values):
            for name, one in change.items():
                table.at[row, name] = one
        return contract.cast_table(table, rules.features)[0]

    return st.lists(changes, min_size=1, max_size=len(some)).map(change)


def test_a_feature_is_one_number_for_each_row(features, table, columns):
    for feature in features:
        made = np.asarray(feature(columns, np))
        assert made.shape == (len(table),), feature.__name__
        assert made.dtype.kind in "fiub", f"{feature.__name__} gives {made.dtype}"


def test_a_feature_knows_something_of_some_rows(table, features):
    made = derive(table, features)
    for feature in features:
        assert made[feature.__name__].notna().any(), f"{feature.__name__} is always missing"


def test_a_feature_of_a_row_does_not_depend_on_the_other_rows(table, features):
    together = derive(table, features)
    for row in (0, len(table) // 2, len(table) - 1):
        alone = derive(table.iloc[[row]], features)
        pd.testing.assert_frame_equal(alone, together.iloc[[row]], rtol=TOLERANCE)


def test_the_served_model_makes_the_same_features(model, table, features, model_features, rows):
    spread = derive(table, features).std(numeric_only=True).fillna(0)

    @given(rows)
    def agree(drawn):
        given_table = model.inputs(drawn)
        trained, answered = derive(given_table, features), model_features(given_table)
        assert list(answered) == [one.__name__ for one in features]
        for name in answered:
            np.testing.assert_allclose(
                answered[name], trained[name], rtol=TOLERANCE, atol=TOLERANCE * spread[name],
                err_msg=f"{name} differs for\n{given_table.to_string()}",
            )  # fmt: skip
        status, answer = model.ask(drawn)
        assert status == 200, answer

    agree()
