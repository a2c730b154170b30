"""The decision for one image: a pure function of scores, cut-off and policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ml.errors import PolicyError
from ml.policy.policy import Action, Policy

LIKELIER = 0.5  # from here on, violation is the likelier of the two sides


class Decision(StrEnum):
    """What happens to a photo, mildest first."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    REVIEW = "review"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        """0 (pass), 1 (review), 2 (block)."""
        return list(Decision).index(self)


@dataclass(frozen=True)
class Verdict:
    """A decision with its reasons, the weightiest first, as `word` or `word:class`."""

    decision: Decision
    reasons: tuple[str, ...]
    violation_score: float


def decide(scores: Mapping[str, float], *, pass_confidence: float, policy: Policy) -> Verdict:
    """Judge one image by the article's rule.

    A violation class with `action: block` at or over its own `block_confidence` blocks. A photo
    passes when the probability that it is no violation, 1 - sum of the violation classes, reaches
    `pass_confidence`. All else waits for a person: with reason `violation:<class>` for the
    likeliest violation class when violation is the likelier side, else `low_confidence`.

    Args:
        scores: calibrated probability of each class of the policy, each 0..1, summing to 1.
        pass_confidence: the cut-off of the loaded model card, 0..1.
        policy: the policy in force.

    Raises:
        PolicyError: the scores' classes are not those of the policy.
    """
    if scores.keys() != policy.classes.keys():
        raise PolicyError(
            f"the model scores {sorted(scores)} but the policy names {sorted(policy.classes)}; "
            "promote a model trained for this policy, or restore the policy it was trained for"
        )
    # In one order: a sum of floats must be the same in every process.
    violation = sum(scores[name] for name in sorted(policy.violations))
    blocked = _blocking(scores, policy)
    if blocked:
        return Verdict(Decision.BLOCK, tuple(f"block:{name}" for name in blocked), violation)
    likelier = violation >= LIKELIER
    if 1.0 - violation >= pass_confidence and not likelier:
        return Verdict(Decision.PASS, ("confident_normal",), violation)
    if likelier:
        likeliest = max(sorted(policy.violations), key=scores.__getitem__)
        return Verdict(Decision.REVIEW, (f"violation:{likeliest}",), violation)
    return Verdict(Decision.REVIEW, ("low_confidence",), violation)


def _blocking(scores: Mapping[str, float], policy: Policy) -> list[str]:
    names = [
        name
        for name, c in policy.classes.items()
        if c.action is Action.BLOCK
        and c.block_confidence is not None
        and scores[name] >= c.block_confidence
    ]
    return sorted(names, key=scores.__getitem__, reverse=True)
