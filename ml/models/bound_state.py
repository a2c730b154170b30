"""Whether a version's leak bound is met, not met, or not proven: by the source of its threshold."""

from collections.abc import Mapping
from typing import Any, Literal

BoundState = Literal["met", "not_met", "not_proven"]

# Starts of a threshold's `source`.
SOLVED = "solved"
TOO_FEW = "policy default: too few labels"
TOO_LEAKY = "policy default: leaks too much"
KEPT_REVIEW_SHARE = "champion's review share: leaks too much"


def find_bound_state(thresholds: Mapping[str, Any]) -> BoundState | None:
    """The state by the thresholds of a card, as JSON; None: nothing was solved.

    Not met: there are enough labels, and they show that the leak rate exceeds the bound. Not
    proven: there are too few of them to say.
    """
    if thresholds.get("evidence") is not None:
        return "met"
    source = str(thresholds.get("source", ""))
    if source.startswith((TOO_LEAKY, KEPT_REVIEW_SHARE)):
        return "not_met"
    return "not_proven" if source.startswith(TOO_FEW) else None
