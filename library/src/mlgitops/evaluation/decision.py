"""What a pull request may do: be merged, not be merged, or be merged once an owner approves.

The rules that judge a change are the base's. A change that alters rules is judged by its own as
well; whether the new rules are right is for an owner to say.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mlgitops.core.job_output import RULES_CHANGED, WAITS

State = Literal["passed", "needs approval", "refused"]
BY_BASE = "by main's rules it is refused"


class Decision(NamedTuple):
    """What may be done, and why not more."""

    state: State
    reasons: list[str]

    def refuse(self, reason: str) -> "Decision":
        """The same, refused for one more reason; what only needed an approval is left out."""
        kept = self.reasons if self.state == "refused" else []
        return Decision("refused", [*kept, reason])


def decide(
    own: Mapping[str, Any] | None, base: Mapping[str, Any] | None, rules: Sequence[str]
) -> Decision:
    """Of the verdicts by the change's own rules and by the base's, and what it alters in them.

    Its own rules must let it pass. Where they are not the base's, or the base's refuse it, or a
    check cannot tell, it needs an approval.
    """
    if own is None:
        return Decision("refused", ["there is no verdict"])
    if refused := reasons(own, approval=False):
        return Decision("refused", refused)
    doubts = [f"{RULES_CHANGED}: {len(rules)}"] if rules else []
    doubts += reasons(own, approval=True)
    if rules and (base is None or reasons(base, approval=False)):
        doubts.append(BY_BASE)
    return Decision(WAITS if doubts else "passed", doubts)


def reasons(verdict: Mapping[str, Any], approval: bool) -> list[str]:
    """The checks that refuse, or those that need an approval, each in a line."""
    return [
        f"{check['kind']}: {check['name']}: {check['reason']}"
        for check in verdict.get("checks", ())
        if not check["passed"] and bool(check.get("needs_approval")) is approval
    ]
