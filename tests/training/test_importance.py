import numpy as np
import pandas as pd
from mlgitops.core.print_metrics import never_predicted
from mlgitops.training import importance
from mlgitops.training.exported_model import Predictions
from mlgitops.training.metrics import by_class


def double(table):
    """A model that is twice x, whatever the other columns hold."""
    return Predictions(2 * table["x"].to_numpy(), None)


def rows(count, columns=1):
    chance = np.random.default_rng(0)
    names = ["x", *(f"z{n}" for n in range(columns))]
    return pd.DataFrame({name: chance.normal(size=count) for name in names})


def test_only_what_the_model_reads_matters_and_it_comes_first():
    table = rows(200, 3)
    found = importance.importance(double, table, 2 * table["x"].to_numpy(), None)
    assert found[0]["column"] == "x"
    assert found[0]["loss"] > 1
    assert [one["loss"] for one in found[1:]] == [0, 0, 0]
    assert found == importance.importance(double, table, 2 * table["x"].to_numpy(), None)


def test_the_work_has_a_bound_whatever_the_table():
    asked = []

    def count(table):
        asked.append(len(table))
        return double(table)

    for table in (rows(50_000, 2), rows(300, 400)):
        asked.clear()
        importance.importance(count, table, table["x"].to_numpy(), None)
        assert len(asked) == table.shape[1] + 1
        assert sum(asked) <= importance.PREDICTIONS + 20_000 + asked[0]


def test_the_classes_are_counted_as_in_a_confusion_table():
    actual = np.array(["a", "a", "b", "c"], dtype=object)
    said = np.array(["a", "b", "b", "b"], dtype=object)
    a, b, c = by_class(actual, said, ("a", "b", "c"))
    assert a == {
        "class": "a", "rows": 2, "predicted": 1, "recall": 0.5, "precision": 1.0,
        "confusion": {"a": 1, "b": 1},
    }  # fmt: skip
    assert (b["recall"], b["precision"]) == (1.0, 0.333333)
    assert (c["recall"], c["precision"], c["confusion"]) == (0.0, None, {"b": 1})
    assert never_predicted([a, b, c]) == ["c"]
    assert by_class(np.array([1.0]), np.array([2.0]), None) == []
