"""The page is one file that means nothing by a name, and shows what was counted."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from mlgitops.monitoring import drift, page, svg
from mlgitops.monitoring.drift import Tables
from mlgitops.monitoring.limits import Monitor
from mlgitops.monitoring.outcome import Coverage, Outcome

HOSTILE = '<script>alert("1")</script>&{{ 1 }}'


@pytest.fixture(scope="module")
def findings():
    chance = np.random.default_rng(0)
    before, now = (
        pd.DataFrame({
            "x": chance.normal(level, size=600), HOSTILE: chance.choice([HOSTILE, "b"], 600),
            "few": chance.integers(0, 3, 600), "many": chance.integers(0, 40, 600).astype("str"),
        })
        for level in (0, 2)
    )  # fmt: skip
    now.loc[:59, "x"] = np.nan
    kinds = {"x": "number", HOSTILE: "category", "few": "integer", "many": "category"}
    return drift.compare(Tables(before, now), kinds, {}, Monitor(permutations=299))


def outcome(findings, days=None, quality=()):
    coverage = Coverage(600, 600, 600, 600, skipped=(HOSTILE,))
    return Outcome("c" * 40, coverage, findings, [], [], quality, 200, days)


def test_a_page_needs_nothing_else_and_a_name_means_nothing(findings):
    text = page.render(outcome(findings, quality=[HOSTILE]))
    assert "<script" not in text
    assert "alert(" in text
    assert not re.search(r"\b(src|href)\s*=|@import|url\(", text)
    assert text.count("<svg") == 4
    assert text.index("<h2>x</h2>") < text.index("<h2>few</h2>")
    assert text.count('class="moved"') == 1


def test_a_picture_is_xml_whose_bars_are_the_shares(findings):
    for one in findings:
        drawn = ElementTree.fromstring(page.picture(one))
        pair = page.shares(one)
        bars = [bar for bar in drawn.iter("rect") if bar.get("class") == "now"]
        heights = np.array([float(bar.get("height")) for bar in bars])
        np.testing.assert_allclose(heights / heights.sum(), pair.now / pair.now.sum(), atol=0.01)
        assert pair.before.sum() == pytest.approx(1)
        assert pair.now.sum() == pytest.approx(1)


def test_what_is_missing_and_what_is_rare_has_a_bar(findings):
    known = {one.name: page.shares(one) for one in findings}
    assert known["x"].labels[-1] == "none"
    assert (known["x"].before[-1], known["x"].now[-1]) == (0, 0.1)
    assert known["few"].labels == ["0", "1", "2"]
    assert len(known["many"].labels) == page.CATEGORIES + 1


def test_a_log_of_several_days_is_drawn_over_time(findings):
    first = next(one for one in findings if one.name == "x")
    days = np.repeat(["2026-03-01", "2026-03-02", "2026-03-03"], [300, 290, 10])
    drawn = ElementTree.fromstring(page.timeline(first, days))
    assert len(list(drawn.iter("circle"))) == 2
    assert page.timeline(first, days[:300]) == ""
    assert page.timeline(first, None) == ""
    assert page.render(outcome(findings, days)).count("<svg") == 8


def test_a_page_without_findings_says_so():
    assert "Not enough data" in page.render(outcome([]))


def test_long_labels_are_cut():
    assert svg.shorten("a" * 30) == "a" * 9 + "…"
