import json

import pytest
from mlgitops.monitoring.drift import Finding, Measure
from mlgitops.monitoring.outcome import Coverage, Outcome


def finding(name, value, role="feature"):
    return Finding(name, role, (Measure("PSI", value, 0.01, 0.0, 0.1), Measure("KS", 0, 0, 0, 0.1)))


def outcome(columns=(), predictions=(), whole=()):
    return Outcome("c" * 40, Coverage(500, 200, 1000, 1000), columns, predictions, whole, [], 200)


@pytest.mark.parametrize(("found", "said"), [
    (outcome(), "Not enough data: 200 rows to compare, and fewer than 200 on either side say"),
    (outcome([finding("x", 0.1)]), "No drift in 500 rows: nothing moved beyond its limit"),
    (outcome([finding("x", 0.25), finding("y", 0)]),
     "1 of 2 columns drifted (x: PSI 0.25, limit 0.1)"),
    (outcome([finding("x", 0)], [finding("p", 1)], [finding("all", 1)]),
     "The predictions drifted; all columns together can be told from the reference"),
])  # fmt: skip
def test_the_reason_is_one_sentence(found, said):
    assert found.reason.startswith(said)
    plain = json.loads(json.dumps(found.plain()))
    assert plain["drift"] is ("drifted" in said)
    assert plain["columns"] == [one.name for one in found.findings if one.worst.value > 0.1]
