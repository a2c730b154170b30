"""The verdict on one photo: a pure function of scores, screens, reviewer label and policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ml.core.errors import PolicyError
from ml.core.types import NOT_NEEDED, UNJUDGED, ScreenResult, ScreenStatus
from ml.policy.schema import Policy
from ml.policy.screens import Screen, ScreenAction, TextScreen

VIOLATION_MAJORITY = 0.5  # violation score from which a violation is the likelier case
HUMAN = "human_decision"  # reason: a reviewer decided on exactly these bytes


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
    """Why a photo goes to review."""

    VIOLATION = "violation"  # the model predicts a violation
    UNCERTAIN = "uncertain"  # the model is not confident, or a screen fired or failed


@dataclass(frozen=True)
class Verdict:
    """A decision with its reasons, the strongest first, as `reason` or `reason:detail`."""

    decision: Decision
    reasons: tuple[str, ...]
    violation_score: float

    @property
    def route(self) -> Route | None:
        """Why the photo goes to review; None if it does not."""
        if self.decision is not Decision.REVIEW:
            return None
        predicted = self.reasons[0].startswith("violation:")
        return Route.VIOLATION if predicted else Route.UNCERTAIN

    @property
    def reused(self) -> bool:
        """Whether it repeats a reviewer's earlier decision."""
        return self.reasons[0].startswith(f"{HUMAN}:")


def decide(
    scores: Mapping[str, float],
    *,
    pass_confidence: float,
    policy: Policy,
    screens: Mapping[str, ScreenResult] | None = None,
    human_label: str | None = None,
) -> Verdict:
    """Decide on one photo by its scores, the screens and an earlier human label.

    A violation class with `action: block` whose probability reaches its `block_confidence` blocks.
    A photo passes if the probability that it is no violation, 1 - sum of the violation classes,
    reaches `pass_confidence`. All other photos go to review: with reason `violation:<class>`, the
    likeliest violation class, if a violation is the likelier case, else `low_confidence`.

    A screen that fires, or that failed (`screen_failed:<name>`), turns a pass into a review and
    adds its reason; it never makes a decision milder. An earlier human label overrides scores and
    screens, except that a photo never passes if a screen failed on it, or not all of it was judged.
    A screen that was left out as not needed counts as not run only if nothing else stops a pass.

    Args:
        scores: calibrated probability of each class of the policy, each 0..1, summing to 1.
        pass_confidence: threshold of the model card, 0..1.
        policy: the policy in force.
        screens: by name; an enabled screen without a result counts as failed. None: scores decide.
        human_label: the reviewers' class of the very same bytes; ignored if the policy lacks it.

    Raises:
        PolicyError: the classes of the scores are not those of the policy.
    """
    by_scores = _decide_by_scores(scores, pass_confidence, policy)
    screened = () if screens is None else tuple(_screen_reasons(screens, policy))
    human = (f"{HUMAN}:{human_label}",)
    if human_label in policy.violations:
        return Verdict(Decision.BLOCK, human, by_scores.violation_score)
    conclusive = not any(reason.startswith(_INCONCLUSIVE_PREFIXES) for reason in screened)
    if human_label in policy.classes and conclusive:
        return Verdict(Decision.PASS, human, by_scores.violation_score)
    if not screened and by_scores.decision is Decision.PASS and screens is not None:
        screened = tuple(_left_out_reasons(screens, policy))
    if not screened:
        return by_scores
    if by_scores.decision is Decision.PASS:
        return Verdict(Decision.REVIEW, screened, by_scores.violation_score)
    reasons = (*by_scores.reasons, *screened)
    return Verdict(by_scores.decision, reasons, by_scores.violation_score)


def _decide_by_scores(
    scores: Mapping[str, float], pass_confidence: float, policy: Policy
) -> Verdict:
    if scores.keys() != policy.classes.keys():
        raise PolicyError(
            f"the model scores {sorted(scores)} but the policy names {sorted(policy.classes)}; "
            "promote a model trained for this policy, or restore the policy it was trained for"
        )
    # Sorted: the order decides the rounding of a float sum, which must be equal in every process.
    violation = sum(scores[name] for name in sorted(policy.violations))
    blocking = _blocking_classes(scores, policy)
    if blocking:
        return Verdict(Decision.BLOCK, tuple(f"block:{name}" for name in blocking), violation)
    is_likely = violation >= VIOLATION_MAJORITY
    if 1.0 - violation >= pass_confidence and not is_likely:
        return Verdict(Decision.PASS, ("confident_normal",), violation)
    if is_likely:
        likeliest = max(sorted(policy.violations), key=scores.__getitem__)
        return Verdict(Decision.REVIEW, (f"violation:{likeliest}",), violation)
    return Verdict(Decision.REVIEW, ("low_confidence",), violation)


def _blocking_classes(scores: Mapping[str, float], policy: Policy) -> list[str]:
    names = [
        name
        for name, c in policy.classes.items()
        if c.block_confidence is not None and scores[name] >= c.block_confidence
    ]
    return sorted(names, key=scores.__getitem__, reverse=True)


VIEWS = "views"  # what `ml.vision.screens.views` says about a photo with several
_FAILED, _NOT_RUN = "screen_failed", "screen_not_run"
_INCONCLUSIVE_PREFIXES = (_FAILED, _NOT_RUN, UNJUDGED)


def _screen_reasons(screens: Mapping[str, ScreenResult], policy: Policy) -> Iterator[str]:
    """The screens' reasons for a review: first of those that fired, then of those that failed."""
    failed = []
    views = screens.get(VIEWS)
    if views is not None and views.fired:  # whatever the policy: nobody has seen all of the photo
        yield views.reason or VIEWS
    for name, rules in policy.screens.enabled():
        result = screens.get(name)
        state = result.state if result is not None else ScreenStatus.UNKNOWN
        if result is not None and state is ScreenStatus.FIRED:
            if rules.action is ScreenAction.REVIEW:
                yield result.reason or name
        elif state is ScreenStatus.UNKNOWN and not rules.allow_when_failed:
            failed.append(f"{_FAILED}:{name}")
        # One that was not needed counts only where nothing else stops the photo: see `decide`.
        elif _was_skipped(result) and not _may_skip(rules):
            failed.append(f"{_NOT_RUN}:{name}")
    # These have no result where there is nothing to compare with, which is no failure.
    of_model = [screens[name] for name in policy.screens.of_model if name in screens]
    yield from (result.reason or result.name for result in of_model if result.fired)
    unknown = (result for result in of_model if result.state is ScreenStatus.UNKNOWN)
    failed += [f"{_FAILED}:{result.name}" for result in unknown]
    yield from failed


def _left_out_reasons(screens: Mapping[str, ScreenResult], policy: Policy) -> Iterator[str]:
    """The reasons of screens that were left out as not needed, on a photo that would pass."""
    for name, rules in policy.screens.enabled():
        if name in screens and screens[name].reason == NOT_NEEDED and not _may_skip(rules):
            yield f"{_NOT_RUN}:{name}"


def _was_skipped(result: ScreenResult | None) -> bool:
    """Whether it did not run although it was needed."""
    if result is None or result.state is not ScreenStatus.NOT_RUN:
        return False
    return result.reason != NOT_NEEDED


def _may_skip(rules: Screen) -> bool:
    return isinstance(rules, TextScreen) and rules.allow_when_skipped
