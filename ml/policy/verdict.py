"""The decision for one image: a pure function of scores, screens, earlier decision and policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ml.errors import PolicyError
from ml.policy.policy import Action, Policy
from ml.policy.screening import ScreenAction, TextScreen
from ml.screens.outcome import ScreenOutcome, State

LIKELIER = 0.5  # from here on, violation is the likelier of the two sides
HUMAN = "human_decision"  # reason: a person decided on these very bytes


class Decision(StrEnum):
    """What happens to a photo, mildest first."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    REVIEW = "review"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        """0 (pass), 1 (review), 2 (block)."""
        return list(Decision).index(self)


class Route(StrEnum):
    """How a photo comes before a person."""

    VIOLATION = "violation"  # the model holds it for one
    UNCERTAIN = "uncertain"  # the model, or a screen, is not sure


@dataclass(frozen=True)
class Verdict:
    """A decision with its reasons, the weightiest first, as `word` or `word:class`."""

    decision: Decision
    reasons: tuple[str, ...]
    violation_score: float

    @property
    def route(self) -> Route | None:
        """The way to a person; None where none is asked."""
        if self.decision is not Decision.REVIEW:
            return None
        likely = self.reasons[0].startswith("violation:")
        return Route.VIOLATION if likely else Route.UNCERTAIN

    @property
    def reused(self) -> bool:
        """Whether an earlier human decision stands for it."""
        return self.reasons[0].startswith(f"{HUMAN}:")


def decide(
    scores: Mapping[str, float],
    *,
    pass_confidence: float,
    policy: Policy,
    screens: Mapping[str, ScreenOutcome] | None = None,
    earlier: str | None = None,
) -> Verdict:
    """Judge one image by the article's rule, the policy's screens and what a person said before.

    A violation class with `action: block` at or over its own `block_confidence` blocks. A photo
    passes when the probability that it is no violation, 1 - sum of the violation classes, reaches
    `pass_confidence`. All else waits for a person: with reason `violation:<class>` for the
    likeliest violation class when violation is the likelier side, else `low_confidence`.

    A screen that fires, or that failed (`screen_failed:<name>`), turns a pass into a review and
    adds its reason; it makes nothing milder. An earlier human decision stands in place of scores
    and screens, save that nothing passes on which a screen failed.

    Args:
        scores: calibrated probability of each class of the policy, each 0..1, summing to 1.
        pass_confidence: the cut-off of the loaded model card, 0..1.
        policy: the policy in force.
        screens: outcome by name; one that is on and missing counts as failed. None: the scores are
            judged alone, as when two versions are compared.
        earlier: the class that people gave to these very bytes; one that the policy does not name
            counts for nothing.

    Raises:
        PolicyError: the scores' classes are not those of the policy.
    """
    by_scores = _by_scores(scores, pass_confidence, policy)
    raised = () if screens is None else tuple(_raised(screens, policy))
    if earlier in policy.violations:
        return Verdict(Decision.BLOCK, (f"{HUMAN}:{earlier}",), by_scores.violation_score)
    if earlier in policy.classes and not any(reason.startswith(_UNTOLD) for reason in raised):
        return Verdict(Decision.PASS, (f"{HUMAN}:{earlier}",), by_scores.violation_score)
    if not raised:
        return by_scores
    if by_scores.decision is Decision.PASS:
        return Verdict(Decision.REVIEW, raised, by_scores.violation_score)
    reasons = (*by_scores.reasons, *raised)
    return Verdict(by_scores.decision, reasons, by_scores.violation_score)


def _by_scores(scores: Mapping[str, float], pass_confidence: float, policy: Policy) -> Verdict:
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


_FAILED, _NOT_RUN = "screen_failed", "screen_not_run"
_UNTOLD = (_FAILED, _NOT_RUN)


def _raised(screens: Mapping[str, ScreenOutcome], policy: Policy) -> Iterator[str]:
    """The reasons for which the screens want a person: what was found first, then what failed."""
    failed = []
    for name, rules in policy.screens.enabled():
        outcome = screens.get(name)
        state = outcome.state if outcome is not None else State.UNKNOWN
        if outcome is not None and state is State.FIRED:
            if rules.action is ScreenAction.REVIEW:
                yield outcome.reason or name
        elif state is State.UNKNOWN and not rules.unknown_may_pass:
            failed.append(f"{_FAILED}:{name}")
        elif state is State.NOT_RUN and not (
            isinstance(rules, TextScreen) and rules.not_run_may_pass
        ):
            failed.append(f"{_NOT_RUN}:{name}")
    yield from failed
