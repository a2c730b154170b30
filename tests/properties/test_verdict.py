"""Invariant 4: a photo with a higher violation score never gets a milder verdict."""

from hypothesis import example, given
from hypothesis import strategies as st

from ml.core.types import NOT_NEEDED, ScreenResult, ScreenStatus
from ml.policy.schema import Policy
from ml.policy.screens import MODEL_SCREENS
from ml.policy.verdict import Decision, decide
from tests.support.policies import policy

TWO = policy(violate=0.9)
FOUR = policy(weapon=0.8, qr=None, ad=0.95)
thresholds = st.floats(0.5, 1.0)
shares = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)


def severity(rule: Policy, violations: dict[str, float], pass_confidence: float) -> int:
    scores = {"normal": max(0.0, 1.0 - sum(violations.values())), **violations}
    return decide(scores, pass_confidence=pass_confidence, policy=rule).decision.severity


@given(st.floats(0, 1), st.floats(0, 1), thresholds)
def test_more_violation_is_never_milder_with_two_classes(
    a: float, b: float, threshold: float
) -> None:
    less, more = sorted((a, b))
    milder = severity(TWO, {"violate": less}, threshold)
    assert milder <= severity(TWO, {"violate": more}, threshold)


@given(shares, st.sampled_from(sorted(FOUR.violations)), st.floats(0, 1), thresholds)
def test_mass_moved_to_a_violation_is_never_milder_with_many_classes(
    parts: list[int], name: str, moved: float, threshold: float
) -> None:
    normal, *rest = (part / sum(parts) for part in parts)
    before = dict(zip(sorted(FOUR.violations), rest, strict=True))
    after = before | {name: before[name] + moved * normal}
    assert severity(FOUR, before, threshold) <= severity(FOUR, after, threshold)


@given(st.floats(0.5, 1.0, exclude_min=True), thresholds)
@example(0.5000000000000001, 0.5)
def test_likely_violation_never_passes(violation: float, threshold: float) -> None:
    assert severity(TWO, {"violate": violation}, threshold) > Decision.PASS.severity


def test_even_odds_do_not_pass_at_the_lowest_threshold() -> None:
    assert severity(TWO, {"violate": 0.5}, 0.5) == Decision.REVIEW.severity


NAMES = ("duplicates", "codes", "text", "sharpness")
SIGNALS = ("signal:nudity", "signal:weapons")
outcomes = st.builds(
    lambda state, reason: ScreenResult("screen", state, reason, None),
    st.sampled_from(list(ScreenStatus)),
    st.sampled_from(("found", NOT_NEEDED)),
)
screens = st.dictionaries(st.sampled_from((*NAMES, *SIGNALS, *MODEL_SCREENS)), outcomes)
keys = st.fixed_dictionaries(
    {
        "enabled": st.booleans(),
        "action": st.sampled_from(("review", "evidence")),
        "allow_when_failed": st.booleans(),
    }
)
switch = st.fixed_dictionaries({"enabled": st.booleans()})
sections = st.fixed_dictionaries(
    dict.fromkeys(NAMES + SIGNALS, keys) | dict.fromkeys(MODEL_SCREENS, switch)
)
earlier = st.sampled_from((None, "normal", "violate", "dropped"))


def with_screens(section: dict[str, dict[str, object]], base: Policy = TWO) -> Policy:
    raised = {"class": min(base.violations), "threshold": 0.5}
    model = {"model": "a" * 64, "raises": {"x": raised}}
    signals = {name.partition(":")[2]: section[name] | model for name in SIGNALS}
    screens = {name: section[name] for name in (*NAMES, *MODEL_SCREENS)} | {"signals": signals}
    return Policy.model_validate({**base.model_dump(mode="json"), "screens": screens})


@given(st.floats(0, 1), thresholds, sections, screens)
def test_screen_never_makes_a_verdict_milder(
    violation: float,
    threshold: float,
    section: dict[str, dict[str, object]],
    found: dict[str, ScreenResult],
) -> None:
    rule, scores = with_screens(section), {"normal": 1 - violation, "violate": violation}
    alone = decide(scores, pass_confidence=threshold, policy=rule)
    verdict = decide(scores, pass_confidence=threshold, policy=rule, screens=found)
    assert verdict.decision.severity >= alone.decision.severity


@given(st.tuples(st.floats(0, 1), st.floats(0, 1)), thresholds, sections, screens, earlier)
def test_more_violation_is_never_milder_with_screens_and_human_label(
    violations: tuple[float, float],
    threshold: float,
    section: dict[str, dict[str, object]],
    found: dict[str, ScreenResult],
    said: str | None,
) -> None:
    rule = with_screens(section)
    less, more = (
        decide(
            {"normal": 1 - v, "violate": v},
            pass_confidence=threshold,
            policy=rule,
            screens=found,
            human_label=said,
        ).decision.severity
        for v in sorted(violations)
    )
    assert less <= more


@given(st.floats(0, 1), thresholds, sections, screens, earlier)
def test_nothing_passes_on_which_a_screen_failed_unless_the_policy_says_so(
    violation: float,
    threshold: float,
    section: dict[str, dict[str, object]],
    found: dict[str, ScreenResult],
    said: str | None,
) -> None:
    rule = with_screens(section)
    scores = {"normal": 1 - violation, "violate": violation}
    verdict = decide(
        scores, pass_confidence=threshold, policy=rule, screens=found, human_label=said
    )
    # Without a photo to compare with, a screen by features has no result.
    unknown = ScreenResult("screen", ScreenStatus.UNKNOWN, "failed", None)
    missing = {name: unknown for name in section if name not in MODEL_SCREENS} | found
    untold = [
        name
        for name, keys in section.items()
        if keys["enabled"]
        and not keys.get("allow_when_failed")
        and name in missing
        and missing[name].state is ScreenStatus.UNKNOWN
    ]
    assert not untold or verdict.decision is not Decision.PASS


@given(st.floats(0, 1), thresholds, sections, screens)
def test_nothing_passes_without_a_screen_that_the_policy_does_not_let_it_skip(
    violation: float,
    threshold: float,
    section: dict[str, dict[str, object]],
    found: dict[str, ScreenResult],
) -> None:
    section["text"]["allow_when_skipped"] = False
    scores = {"normal": 1 - violation, "violate": violation}
    verdict = decide(scores, pass_confidence=threshold, policy=with_screens(section), screens=found)
    skipped = [
        name
        for name, keys in section.items()
        if name not in MODEL_SCREENS  # these run on every photo that is scored
        and keys["enabled"]
        and name in found
        and found[name].state is ScreenStatus.NOT_RUN
    ]
    assert not skipped or verdict.decision is not Decision.PASS


@given(shares, st.sampled_from(sorted(FOUR.violations)), st.floats(0, 1), st.data())
def test_mass_moved_to_a_violation_never_lowers_the_priority(
    parts: list[int], name: str, moved: float, data: st.DataObject
) -> None:
    raw = FOUR.model_dump(mode="json")
    for violation in FOUR.violations:
        raw["classes"][violation]["priority"] = data.draw(st.integers(0, 100))
    weights = Policy.model_validate(raw).priority_weights
    normal, *rest = (part / sum(parts) for part in parts)
    before = dict(zip(sorted(FOUR.violations), rest, strict=True))
    after = before | {name: before[name] + moved * normal}
    assert sum(before[n] * w for n, w in weights.items()) <= sum(
        after[n] * w for n, w in weights.items()
    )


@given(shares, thresholds, sections, screens, st.sampled_from((None, *FOUR.classes)))
def test_screen_never_makes_a_verdict_milder_with_many_classes_and_human_label(
    parts: list[int],
    threshold: float,
    section: dict[str, dict[str, object]],
    found: dict[str, ScreenResult],
    said: str | None,
) -> None:
    rule = with_screens(section, FOUR)
    scores = {n: p / sum(parts) for n, p in zip(sorted(FOUR.classes), parts, strict=True)}
    alone, screened = (
        decide(scores, pass_confidence=threshold, policy=rule, screens=outcomes, human_label=said)
        for outcomes in (None, found)
    )
    assert alone.decision.severity <= screened.decision.severity
