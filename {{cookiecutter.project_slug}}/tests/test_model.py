"""The model learns, is the same every time, and answers over HTTP what was measured."""

import numpy as np
from conftest import fit_pipeline, scores
from mlgitops.core import config
from mlgitops.serving import contract
from mlgitops.training import export, exported_model
from mlgitops.training.metrics import auc
from sklearn.dummy import DummyClassifier, DummyRegressor

BETTER = 0.05  # than the dummy; of the area under the ROC curve, or of a correlation


def skill(scored, actual, labels):
    """How well scores tell the right answers apart: 0.5 of chance and 1 of all, or 0 and 1."""
    if labels is not None:
        return auc(actual[:, None] == np.asarray(labels, dtype="object"), scored)
    known = scored[:, 0]
    return float(np.corrcoef(known, actual)[0, 1]) if known.std() > 0 else 0.0


def test_it_learns_more_than_a_dummy(model, data, actual):
    """Of the rows that it was given. How well it knows others is for the gate to judge."""
    dummy = DummyRegressor() if model.labels is None else DummyClassifier(strategy="prior")
    dummy.fit(np.zeros((len(actual), 1)), actual)
    guess = np.zeros((len(actual), 1))
    guessed = dummy.predict(guess)[:, None] if model.labels is None else dummy.predict_proba(guess)
    learned = skill(model.scores(data.train), actual, model.labels)
    assert learned > skill(guessed, actual, model.labels) + BETTER


def test_it_is_the_same_every_time(model, data, rules):
    """An estimator that uses chance needs a random_state: the same commit, the same model."""
    table = model.inputs(data.train)
    again = fit_pipeline(data.train, rules)
    kind = "predict_proba" if hasattr(again, "predict_proba") else "predict"
    first, second = (getattr(one, kind)(table) for one in (model.fitted, again))
    if first.dtype.kind == "f":
        np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-9)
    assert model.fitted.predict(table).tolist() == again.predict(table).tolist()


def test_the_exported_model_answers_as_the_fitted_one(model, data, random_rows):
    """Also for rows that nobody has seen, with missing values and with every category."""
    p = config.load(export.Parity).model_copy(update={"tolerance": 0.001})
    # A model that brings code of its own answers in a process of its own, as in an image.
    exported = exported_model.load_isolated(model.folder).predict
    for table in (data.train, random_rows):
        rows = model.inputs(table)
        if hasattr(model.fitted, "predict_proba") or model.labels is None:
            found = export.parity(model.fitted, exported, rows, p)
        else:
            found = {"flipped": np.mean(exported(rows).values != model.fitted.predict(rows))}
        assert max(found.values()) <= 0.02, found


def test_the_server_answers_what_evaluate_measures(model, data):
    table = data.test.head(50)
    expected = model.predict(table)
    status, answer = model.ask(table)
    assert status == 200, answer
    if model.labels is None:
        np.testing.assert_allclose(answer["predictions"], expected.values, rtol=1e-5)
        return
    assert answer["predictions"] == expected.values.tolist()
    assert contract.read(model.folder).labels == tuple(model.labels)
    if expected.probabilities is not None:
        status, answer = model.ask(table, output="probabilities")
        assert status == 200, answer
        wanted = scores(expected, model.labels)
        np.testing.assert_allclose(answer["predictions"], wanted, rtol=1e-4, atol=1e-6)
