"""What a person expects of the model. Examples that hold for every table: copy one, and say more.

    def test_a_flight_in_the_evening_is_late_more_often(model, data):
        late = model.labels.index("late")
        morning, evening = (model.scores(data.test.assign(hour=hour)) for hour in (7, 19))
        assert evening[:, late].mean() > morning[:, late].mean()

`model.scores(table)` has a column of probabilities for each of `model.labels`; for a regression one
column of values.
"""

import numpy as np

MOST = 5  # classes at most that a test looks at
ENOUGH = 20  # rows of a class, to say something of it


def expectations(model, actual):
    """For each class that has enough rows its column of scores, and 1 where it is right.

    For a regression the one column, and the values.
    """
    if model.labels is None:
        yield 0, actual.astype("float64")
        return
    hits = (actual[:, None] == np.asarray(model.labels, dtype="object")).astype("float64")
    usual = np.argsort(-hits.sum(axis=0), kind="stable")[:MOST]
    for position in usual[(hits.sum(axis=0) >= min(ENOUGH, hits.sum(axis=0).max()))[usual]]:
        yield int(position), hits[:, position]


def test_the_order_of_rows_does_not_matter(model, data):
    """Invariance: a row is answered for itself, among whatever others."""
    table = data.test.head(50)
    there = model.scores(table)
    back = model.scores(table.iloc[::-1].reset_index(drop=True))[::-1]
    np.testing.assert_allclose(back, there, rtol=1e-5, atol=1e-6)
    for row in (0, len(table) - 1):
        alone = model.scores(table.iloc[[row]].reset_index(drop=True))
        np.testing.assert_allclose(alone, there[[row]], rtol=1e-5, atol=1e-6)


def test_a_missing_value_is_answered_where_it_is_allowed_and_refused_by_name_elsewhere(
    model, data, rules
):
    row = data.test[list(rules.features)].head(1).astype("object")
    for name, column in rules.features.items():
        status, answer = model.ask(row.assign(**{name: None}))
        assert status == (200 if column.nullable else 400), (name, answer)
        assert column.nullable or name in answer["message"]
    nullable = {name: None for name, column in rules.features.items() if column.nullable}
    table = row.assign(**nullable)
    status, answer = model.ask(table)
    assert (status, len(answer.get("predictions", ()))) == (200, 1), answer


def test_the_strongest_column_moves_the_answer_in_its_direction(model, data, rules, actual):
    """Direction: rows that the model scores low rise with a column of those that it scores high.

    The strongest column is the one whose exchange moves the scores the most.
    """
    scored = model.scores(data.train)
    for position, _ in expectations(model, actual):
        order = np.argsort(scored[:, position], kind="stable")
        quarter = max(1, len(order) // 4)
        low, high = (
            data.train.iloc[rows].reset_index(drop=True)
            for rows in (order[:quarter], order[-quarter:])
        )
        before = model.scores(low)[:, position].mean()
        moved = {
            name: model.scores(low.assign(**{name: high[name]}))[:, position].mean() - before
            for name in rules.features
        }
        strongest = max(moved, key=lambda name: abs(moved[name]))
        assert moved[strongest] > 0, f"{strongest} moves it by {moved[strongest]:.3g}"


def test_the_clearest_cases_are_right(model, data, actual):
    """Minimum: among the rows that it scores highest a class is more frequent, a value larger."""
    scored = model.scores(data.train)
    for position, right in expectations(model, actual):
        tenth = max(1, len(right) // 10)
        surest = np.argsort(-scored[:, position], kind="stable")[:tenth]
        assert right[surest].mean() > right.mean() or right.mean() == 1
