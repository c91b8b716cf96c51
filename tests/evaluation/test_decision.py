"""What follows of both verdicts and of changed rules, as a table."""

import pytest
from mlgitops.evaluation.decision import decide

GOOD = {"kind": "minimum", "name": "log_loss", "passed": True, "reason": "within"}
BAD = GOOD | {"passed": False, "reason": "over"}
DOUBT = GOOD | {"kind": "champion", "passed": False, "needs_approval": True, "reason": "few rows"}
RULE = ["gate.yaml: gate.confidence: 0.95 → 0.8 (looser)"]


def verdict(*checks):
    return {"checks": list(checks)}


@pytest.mark.parametrize(
    ("own", "base", "rules", "state", "why"),
    [
        (verdict(GOOD), verdict(GOOD), [], "passed", ""),
        (verdict(GOOD), verdict(GOOD), RULE, "needs approval", "rules changed: 1"),
        (verdict(GOOD), verdict(BAD), RULE, "needs approval", "by main's rules it is refused"),
        (verdict(GOOD), None, RULE, "needs approval", "by main's rules it is refused"),
        (verdict(GOOD, DOUBT), verdict(GOOD, DOUBT), [], "needs approval", "champion: log_loss"),
        (verdict(BAD), verdict(BAD), [], "refused", "minimum: log_loss: over"),
        (verdict(BAD), verdict(GOOD), RULE, "refused", "minimum: log_loss: over"),
        (verdict(BAD, DOUBT), verdict(GOOD), RULE, "refused", "minimum: log_loss: over"),
        (None, verdict(GOOD), [], "refused", "there is no verdict"),
    ],
)
def test_a_decision(own, base, rules, state, why):
    found = decide(own, base, rules)
    assert found.state == state
    assert why in "; ".join(found.reasons)


def test_a_reason_more_refuses_and_drops_mere_doubts():
    doubt = decide(verdict(GOOD, DOUBT), verdict(GOOD, DOUBT), RULE)
    assert doubt.refuse("stale") == ("refused", ["stale"])
    bad = decide(verdict(BAD), verdict(BAD), [])
    assert bad.refuse("stale") == ("refused", ["minimum: log_loss: over", "stale"])
