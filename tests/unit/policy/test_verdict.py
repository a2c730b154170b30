import pytest

from ml.errors import PolicyError
from ml.policy.policy import Policy
from ml.policy.verdict import Decision, Route, decide
from ml.screens.outcome import ScreenOutcome, failed, fires, not_run, quiet
from tests.support.policies import policy

ARTICLE = policy(violate=None)
BLOCKING = policy(weapon=0.9, qr=None)
TWO_BLOCKS = policy(weapon=0.55, qr=0.6)


@pytest.mark.parametrize(
    ("normal", "decision", "reason"),
    [
        (1.0, "pass", "confident_normal"),
        (0.95, "pass", "confident_normal"),
        (0.7, "pass", "confident_normal"),
        (0.69, "review", "low_confidence"),
        (0.51, "review", "low_confidence"),
        (0.5, "review", "violation:violate"),
        (0.05, "review", "violation:violate"),
        (0.0, "review", "violation:violate"),
    ],
)
def test_the_articles_rule(normal: float, decision: str, reason: str) -> None:
    scores = {"normal": normal, "violate": 1 - normal}
    verdict = decide(scores, pass_confidence=0.7, policy=ARTICLE)
    assert (verdict.decision, verdict.reasons) == (decision, (reason,))
    assert verdict.violation_score == 1 - normal


@pytest.mark.parametrize(
    ("weapon", "qr", "decision", "reasons"),
    [
        (0.9, 0.0, "block", ("block:weapon",)),
        (0.95, 0.05, "block", ("block:weapon",)),
        (0.89, 0.11, "review", ("violation:weapon",)),
        # `qr` has action review: no score of it blocks.
        (0.0, 1.0, "review", ("violation:qr",)),
        # Each alone is unlikely, together they are the likelier side.
        (0.25, 0.3, "review", ("violation:qr",)),
        (0.2, 0.2, "review", ("low_confidence",)),
        (0.1, 0.1, "pass", ("confident_normal",)),
    ],
)
def test_several_classes(weapon: float, qr: float, decision: str, reasons: tuple[str]) -> None:
    scores = {"normal": 1 - weapon - qr, "weapon": weapon, "qr": qr}
    verdict = decide(scores, pass_confidence=0.7, policy=BLOCKING)
    assert (verdict.decision, verdict.reasons) == (decision, reasons)


def test_each_class_has_its_own_block_confidence() -> None:
    scores = {"normal": 0.0, "weapon": 0.57, "qr": 0.43}
    assert decide(scores, pass_confidence=0.7, policy=TWO_BLOCKS).decision is Decision.BLOCK
    swapped = {"normal": 0.0, "weapon": 0.43, "qr": 0.57}
    assert decide(swapped, pass_confidence=0.7, policy=TWO_BLOCKS).decision is Decision.REVIEW


def test_the_cards_cut_off_counts_not_the_policys() -> None:
    scores = {"normal": 0.8, "violate": 0.2}
    assert decide(scores, pass_confidence=0.9, policy=ARTICLE).decision is Decision.REVIEW
    assert decide(scores, pass_confidence=0.8, policy=ARTICLE).decision is Decision.PASS


@pytest.mark.parametrize(
    "scores", [{"normal": 1.0}, {"normal": 0.5, "qr": 0.5}, {"normal": 1, "violate": 0, "qr": 0}]
)
def test_a_model_for_other_classes_is_refused_with_the_remedy(scores: dict[str, float]) -> None:
    with pytest.raises(PolicyError, match="promote a model trained for this policy"):
        decide(scores, pass_confidence=0.7, policy=ARTICLE)


def test_severity_goes_from_mild_to_hard() -> None:
    assert [d.severity for d in (Decision.PASS, Decision.REVIEW, Decision.BLOCK)] == [0, 1, 2]


def screening(**screens: dict[str, object]) -> Policy:
    """The article's rule with these screens on."""
    raw = ARTICLE.model_dump(mode="json")
    raw["screens"] = {name: {"enabled": True, **keys} for name, keys in screens.items()}
    return Policy.model_validate(raw)


CLEAR = {"normal": 0.9, "violate": 0.1}
UNSURE = {"normal": 0.6, "violate": 0.4}
LIKELY = {"normal": 0.2, "violate": 0.8}
FIRED = fires("codes", "code", 1.0)
FAILED = failed("codes", ValueError("no"))


@pytest.mark.parametrize(
    ("rules", "outcome", "scores", "decision", "reasons"),
    [
        ({}, quiet("codes"), CLEAR, "pass", ("confident_normal",)),
        ({}, FIRED, CLEAR, "review", ("code",)),
        ({}, FIRED, UNSURE, "review", ("low_confidence", "code")),
        ({}, FIRED, LIKELY, "review", ("violation:violate", "code")),
        ({"action": "evidence"}, FIRED, CLEAR, "pass", ("confident_normal",)),
        ({}, FAILED, CLEAR, "review", ("screen_failed:codes",)),
        ({}, FAILED, LIKELY, "review", ("violation:violate", "screen_failed:codes")),
        # A failure is no finding: evidence or not, the photo must be seen.
        ({"action": "evidence"}, FAILED, CLEAR, "review", ("screen_failed:codes",)),
        ({"unknown_may_pass": True}, FAILED, CLEAR, "pass", ("confident_normal",)),
        ({}, None, CLEAR, "review", ("screen_failed:codes",)),
        ({}, not_run("codes", "budget"), CLEAR, "review", ("screen_not_run:codes",)),
    ],
)
def test_a_screen(
    rules: dict[str, object],
    outcome: ScreenOutcome | None,
    scores: dict[str, float],
    decision: str,
    reasons: tuple[str, ...],
) -> None:
    screens = {} if outcome is None else {"codes": outcome}
    rule = screening(codes=rules)
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens=screens)
    assert (verdict.decision, verdict.reasons) == (decision, reasons)


@pytest.mark.parametrize(("may_pass", "decision"), [(True, "pass"), (False, "review")])
def test_a_photo_that_nobody_had_time_to_read(*, may_pass: bool, decision: str) -> None:
    rule = screening(text={"not_run_may_pass": may_pass})
    screens = {"text": not_run("text", "budget")}
    verdict = decide(CLEAR, pass_confidence=0.7, policy=rule, screens=screens)
    assert verdict.decision == decision


def test_a_screen_that_is_off_says_nothing() -> None:
    verdict = decide(CLEAR, pass_confidence=0.7, policy=ARTICLE, screens={"codes": FIRED})
    assert verdict.decision is Decision.PASS


def test_without_screens_the_scores_are_judged_alone() -> None:
    assert decide(CLEAR, pass_confidence=0.7, policy=screening(codes={})).decision is Decision.PASS


def test_what_was_found_comes_before_what_failed_and_the_weightier_first() -> None:
    rule = screening(sharpness={}, codes={}, duplicates={}, text={})
    screens = {
        "sharpness": fires("sharpness", "blurred"),
        "codes": FAILED,
        "text": fires("text", "contact:qq"),
        "duplicates": fires("duplicates", "near_duplicate_blocked"),
    }
    verdict = decide(CLEAR, pass_confidence=0.7, policy=rule, screens=screens)
    expected = ("near_duplicate_blocked", "contact:qq", "blurred", "screen_failed:codes")
    assert verdict.reasons == expected


def test_a_block_stays_a_block_and_keeps_the_reason() -> None:
    raw = BLOCKING.model_dump(mode="json") | {"screens": {"codes": {"enabled": True}}}
    scores = {"normal": 0.0, "weapon": 1.0, "qr": 0.0}
    rule = Policy.model_validate(raw)
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens={"codes": FIRED})
    assert (verdict.decision, verdict.reasons) == ("block", ("block:weapon", "code"))


@pytest.mark.parametrize(
    ("earlier", "outcome", "scores", "decision", "reason"),
    [
        ("normal", quiet("codes"), LIKELY, "pass", "human_decision:normal"),
        ("violate", quiet("codes"), CLEAR, "block", "human_decision:violate"),
        ("normal", FIRED, LIKELY, "pass", "human_decision:normal"),
        ("normal", FAILED, CLEAR, "review", "screen_failed:codes"),
        ("violate", FAILED, CLEAR, "block", "human_decision:violate"),
        ("gone", quiet("codes"), CLEAR, "pass", "confident_normal"),
    ],
)
def test_an_earlier_human_decision(
    earlier: str, outcome: ScreenOutcome, scores: dict[str, float], decision: str, reason: str
) -> None:
    rule = screening(codes={})
    screens = {"codes": outcome}
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens=screens, earlier=earlier)
    assert (verdict.decision, verdict.reasons[0]) == (decision, reason)
    assert verdict.reused is reason.startswith("human_decision")


@pytest.mark.parametrize(
    ("scores", "outcome", "route"),
    [
        (CLEAR, quiet("codes"), None),
        (CLEAR, FIRED, Route.UNCERTAIN),
        (UNSURE, quiet("codes"), Route.UNCERTAIN),
        (LIKELY, FIRED, Route.VIOLATION),
    ],
)
def test_the_route(scores: dict[str, float], outcome: ScreenOutcome, route: Route | None) -> None:
    rule = screening(codes={})
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens={"codes": outcome})
    assert verdict.route is route
