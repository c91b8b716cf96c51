"""Drifts of known size are found, and none where there is none."""

import numpy as np
import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.monitoring import calibration, domain, drift
from mlgitops.monitoring.drift import Tables
from mlgitops.monitoring.limits import Monitor, load

KINDS = {**dict.fromkeys("xyz", "number"), "count": "integer", "group": "category", "on": "boolean"}
P = Monitor(permutations=499)


def table(seed, rows=2000):
    chance = np.random.default_rng(seed)
    x = chance.normal(size=rows)
    return pd.DataFrame({
        "x": x, "y": x + chance.normal(size=rows), "z": chance.lognormal(size=rows),
        "count": chance.poisson(3, rows), "group": chance.choice(list("abcdefgh"), rows),
        "on": chance.random(rows) < 0.3,
    })  # fmt: skip


def compare(now, before=None, p=P, times=None):
    tables = Tables(table(0) if before is None else before, now, times)
    return {one.name: one for one in drift.compare(tables, KINDS, {}, p)}


def drifts(*known, **options):
    return {name for name, one in compare(*known, **options).items() if one.is_drift}


def test_what_has_not_moved_is_no_drift():
    """Not even with a floor of 0: chance alone explains it."""
    p = P.model_copy(update={"min_effect": 0})
    assert [name for seed in range(1, 16) for name in drifts(table(seed), p=p)] == []


@pytest.mark.parametrize(("column", "change"), [
    ("x", lambda rows: rows["x"] + 0.3),
    ("x", lambda rows: rows["x"] * 1.5),
    ("z", lambda rows: rows["z"] * 1.5),
    ("y", lambda rows: rows["y"].mask(np.arange(len(rows)) % 20 == 0)),
    ("count", lambda rows: rows["count"] + (np.arange(len(rows)) % 3 == 0)),
    ("group", lambda rows: rows["group"].mask(np.arange(len(rows)) % 20 == 0, "new")),
    ("on", lambda rows: rows["on"] | (np.arange(len(rows)) % 4 == 0)),
])  # fmt: skip
def test_a_drift_of_one_column_is_found_and_no_other(column, change):
    now = table(1)
    assert drifts(now.assign(**{column: change(now)})) == {column}


def test_what_is_sure_but_small_is_no_drift():
    now = table(1, 20_000)
    now["x"] += 0.06
    before = table(0, 20_000)
    assert drifts(now, before) == set()
    assert drifts(now, before, p=P.model_copy(update={"min_effect": 0})) == {"x"}


def test_a_finding_says_what_is_new_and_missing_and_the_worst_comes_first():
    now = table(1)
    now["group"] = now["group"].mask(np.arange(len(now)) % 10 == 0, "new").mask(now["on"], None)
    known = compare(now)
    first = next(iter(known.values()))
    assert first.name == "group"
    assert first.new == (pytest.approx(0.1 * 0.7, abs=0.02), ["new"])
    before, after = first.missing
    assert (before, after) == (0, pytest.approx(now["on"].mean()))
    plain = first.plain()
    assert plain["drift"]
    assert plain["measures"]["PSI"]["value"] > plain["measures"]["PSI"]["limit"]
    ratios = [one.worst.ratio for one in known.values()]
    assert ratios == sorted(ratios, reverse=True)


def seasonal(seed, rows, level):
    return table(seed, rows).assign(x=lambda one: one["x"] + level)


def test_what_differs_no_more_than_the_seasons_of_the_reference_is_no_drift():
    """Four seasons of levels 0 to 3: another season is usual, a level of 9 is not."""
    before = pd.concat([seasonal(k, 1000, k) for k in range(4)], ignore_index=True)
    times = np.repeat(np.arange(4), 1000)
    now = seasonal(9, 1000, 3)
    assert "x" in drifts(now, before)
    assert drifts(now, before, times=times) == set()
    assert drifts(seasonal(9, 1000, 9), before, times=times) >= {"x"}


def test_too_few_rows_say_nothing():
    few = table(1, P.min_rows - 1)
    assert compare(few) == {}
    assert drift.together(Tables(table(0), few), KINDS, P) == []


def test_all_columns_together_show_what_no_column_does():
    """Another dependence between x and y; each of them looks as before."""
    before, now = table(0, 4000), table(1, 4000)
    now["y"] = -now["y"]
    now["y"] = np.sort(before["y"].to_numpy())[now["y"].rank(method="first").astype(int) - 1]
    assert drifts(now, before) == set()
    (whole,) = drift.together(Tables(before, now), KINDS, P)
    assert whole.is_drift
    (same,) = drift.together(Tables(before, table(2, 4000)), KINDS, P)
    assert not same.is_drift


def test_ranks_tell_rows_apart_as_the_area_under_the_curve_does():
    from sklearn.metrics import roc_auc_score

    chance = np.random.default_rng(0)
    labels, score = chance.random(500) < 0.3, chance.integers(0, 40, 500)
    known = 2 * roc_auc_score(labels, score) - 1
    assert domain.gini(domain.ranks(score), labels) == pytest.approx(known)


def test_the_limit_is_exceeded_at_the_rate_by_chance():
    """Of 400 seeded runs on nothing, about 10 % are above a limit for 10 %."""
    chance = np.random.default_rng(0)
    null = {("a", "psi"): chance.chisquare(1, 999), ("b", "ks"): chance.random(999)}
    limits = calibration.limits(null, 0.1)
    tried = {("a", "psi"): chance.chisquare(1, 20_000), ("b", "ks"): chance.random(20_000)}
    above = np.any([tried[key] > limits[key] for key in null], axis=0)
    assert above.mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("text", [
    "{false_alarms: 0.001}", "{false_alarms: 0}", "{min_rows: 1}", "{min_effect: 2}", "{more: 1}",
])  # fmt: skip
def test_a_limit_that_means_nothing_is_refused(text, project):
    rules = project / "gate.yaml"
    known = rules.read_text("utf-8")
    assert load() == Monitor()
    rules.write_text(f"{known}monitor: {text}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"gate.yaml: monitor"):
        load()
