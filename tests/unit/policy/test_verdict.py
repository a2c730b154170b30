import pytest

from ml.core.errors import PolicyError
from ml.core.types import NOT_NEEDED, ScreenResult, negative, not_run, positive, screen_failed
from ml.policy.schema import Policy
from ml.policy.screens import Screens
from ml.policy.verdict import Decision, Route, decide
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
def test_decide_follows_the_two_class_rule(normal: float, decision: str, reason: str) -> None:
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
        # Each class alone is unlikely; together they are the likelier case.
        (0.25, 0.3, "review", ("violation:qr",)),
        (0.2, 0.2, "review", ("low_confidence",)),
        (0.1, 0.1, "pass", ("confident_normal",)),
    ],
)
def test_decide_with_several_violation_classes(
    weapon: float, qr: float, decision: str, reasons: tuple[str]
) -> None:
    scores = {"normal": 1 - weapon - qr, "weapon": weapon, "qr": qr}
    verdict = decide(scores, pass_confidence=0.7, policy=BLOCKING)
    assert (verdict.decision, verdict.reasons) == (decision, reasons)


def test_decide_uses_the_block_confidence_of_each_class() -> None:
    scores = {"normal": 0.0, "weapon": 0.57, "qr": 0.43}
    assert decide(scores, pass_confidence=0.7, policy=TWO_BLOCKS).decision is Decision.BLOCK
    swapped = {"normal": 0.0, "weapon": 0.43, "qr": 0.57}
    assert decide(swapped, pass_confidence=0.7, policy=TWO_BLOCKS).decision is Decision.REVIEW


def test_decide_uses_the_pass_confidence_argument() -> None:
    scores = {"normal": 0.8, "violate": 0.2}
    assert decide(scores, pass_confidence=0.9, policy=ARTICLE).decision is Decision.REVIEW
    assert decide(scores, pass_confidence=0.8, policy=ARTICLE).decision is Decision.PASS


@pytest.mark.parametrize(
    "scores", [{"normal": 1.0}, {"normal": 0.5, "qr": 0.5}, {"normal": 1, "violate": 0, "qr": 0}]
)
def test_decide_rejects_scores_of_other_classes_with_the_fix(scores: dict[str, float]) -> None:
    with pytest.raises(PolicyError, match="promote a model trained for this policy"):
        decide(scores, pass_confidence=0.7, policy=ARTICLE)


def test_severity_increases_from_pass_to_block() -> None:
    assert [d.severity for d in (Decision.PASS, Decision.REVIEW, Decision.BLOCK)] == [0, 1, 2]


def screening(**screens: dict[str, object]) -> Policy:
    """The article's rule with these screens enabled."""
    raw = ARTICLE.model_dump(mode="json")
    raw["screens"] = {name: {"enabled": True, **keys} for name, keys in screens.items()}
    return Policy.model_validate(raw)


CLEAR = {"normal": 0.9, "violate": 0.1}
UNSURE = {"normal": 0.6, "violate": 0.4}
LIKELY = {"normal": 0.2, "violate": 0.8}
FIRED = positive("codes", "code", 1.0)
FAILED = screen_failed("codes", ValueError("no"))


@pytest.mark.parametrize(
    ("rules", "outcome", "scores", "decision", "reasons"),
    [
        ({}, negative("codes"), CLEAR, "pass", ("confident_normal",)),
        ({}, FIRED, CLEAR, "review", ("code",)),
        ({}, FIRED, UNSURE, "review", ("low_confidence", "code")),
        ({}, FIRED, LIKELY, "review", ("violation:violate", "code")),
        ({"action": "evidence"}, FIRED, CLEAR, "pass", ("confident_normal",)),
        ({}, FAILED, CLEAR, "review", ("screen_failed:codes",)),
        ({}, FAILED, LIKELY, "review", ("violation:violate", "screen_failed:codes")),
        # A failed screen needs a review even with `action: evidence`.
        ({"action": "evidence"}, FAILED, CLEAR, "review", ("screen_failed:codes",)),
        ({"allow_when_failed": True}, FAILED, CLEAR, "pass", ("confident_normal",)),
        ({}, None, CLEAR, "review", ("screen_failed:codes",)),
        ({}, not_run("codes", "budget"), CLEAR, "review", ("screen_not_run:codes",)),
    ],
)
def test_decide_with_one_screen_result(
    rules: dict[str, object],
    outcome: ScreenResult | None,
    scores: dict[str, float],
    decision: str,
    reasons: tuple[str, ...],
) -> None:
    screens = {} if outcome is None else {"codes": outcome}
    rule = screening(codes=rules)
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens=screens)
    assert (verdict.decision, verdict.reasons) == (decision, reasons)


@pytest.mark.parametrize(("may_pass", "decision"), [(True, "pass"), (False, "review")])
def test_decide_on_a_photo_that_was_not_read(*, may_pass: bool, decision: str) -> None:
    rule = screening(text={"allow_when_skipped": may_pass})
    screens = {"text": not_run("text", "budget")}
    verdict = decide(CLEAR, pass_confidence=0.7, policy=rule, screens=screens)
    assert verdict.decision == decision


LEFT_OUT = {"text": not_run("text", NOT_NEEDED)}


@pytest.mark.parametrize(
    ("scores", "said", "decision", "reasons"),
    [
        (UNSURE, None, "review", ("low_confidence",)),
        (UNSURE, "normal", "pass", ("human_decision:normal",)),
        (CLEAR, "normal", "pass", ("human_decision:normal",)),
        (CLEAR, "violate", "block", ("human_decision:violate",)),
        (CLEAR, None, "review", ("screen_not_run:text",)),
    ],
)
def test_text_that_was_not_needed_counts_as_skipped_only_on_a_pass(
    scores: dict[str, float], said: str | None, decision: str, reasons: tuple[str, ...]
) -> None:
    rule = screening(text={"allow_when_skipped": False})
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens=LEFT_OUT, human_label=said)
    assert (verdict.decision, verdict.reasons) == (decision, reasons)


def test_text_that_was_not_needed_may_pass_where_skipped_text_may() -> None:
    verdict = decide(CLEAR, pass_confidence=0.7, policy=screening(text={}), screens=LEFT_OUT)
    assert verdict.decision is Decision.PASS


def test_text_skipped_by_the_budget_outweighs_a_reviewers_decision() -> None:
    rule = screening(text={"allow_when_skipped": False})
    screens = {"text": not_run("text", "budget")}
    verdict = decide(CLEAR, pass_confidence=0.7, policy=rule, screens=screens, human_label="normal")
    assert verdict.reasons == ("screen_not_run:text",)


def test_decide_ignores_results_of_disabled_screens() -> None:
    verdict = decide(CLEAR, pass_confidence=0.7, policy=ARTICLE, screens={"codes": FIRED})
    assert verdict.decision is Decision.PASS


def test_decide_without_screens_uses_scores_alone() -> None:
    assert decide(CLEAR, pass_confidence=0.7, policy=screening(codes={})).decision is Decision.PASS


def test_reasons_list_fired_screens_before_failed_ones() -> None:
    rule = screening(sharpness={}, codes={}, duplicates={}, text={})
    screens = {
        "sharpness": positive("sharpness", "blurred"),
        "codes": FAILED,
        "text": positive("text", "contact:qq"),
        "duplicates": positive("duplicates", "near_duplicate_blocked"),
    }
    verdict = decide(CLEAR, pass_confidence=0.7, policy=rule, screens=screens)
    expected = ("near_duplicate_blocked", "contact:qq", "blurred", "screen_failed:codes")
    assert verdict.reasons == expected


def test_block_keeps_its_decision_and_adds_screen_reasons() -> None:
    raw = BLOCKING.model_dump(mode="json") | {"screens": {"codes": {"enabled": True}}}
    scores = {"normal": 0.0, "weapon": 1.0, "qr": 0.0}
    rule = Policy.model_validate(raw)
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens={"codes": FIRED})
    assert (verdict.decision, verdict.reasons) == ("block", ("block:weapon", "code"))


@pytest.mark.parametrize(
    ("earlier", "outcome", "scores", "decision", "reason"),
    [
        ("normal", negative("codes"), LIKELY, "pass", "human_decision:normal"),
        ("violate", negative("codes"), CLEAR, "block", "human_decision:violate"),
        ("normal", FIRED, LIKELY, "pass", "human_decision:normal"),
        ("normal", FAILED, CLEAR, "review", "screen_failed:codes"),
        ("violate", FAILED, CLEAR, "block", "human_decision:violate"),
        ("gone", negative("codes"), CLEAR, "pass", "confident_normal"),
    ],
)
def test_decide_with_a_human_label(
    earlier: str, outcome: ScreenResult, scores: dict[str, float], decision: str, reason: str
) -> None:
    rule = screening(codes={})
    screens = {"codes": outcome}
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens=screens, human_label=earlier)
    assert (verdict.decision, verdict.reasons[0]) == (decision, reason)
    assert verdict.reused is reason.startswith("human_decision")


@pytest.mark.parametrize(
    ("scores", "outcome", "route"),
    [
        (CLEAR, negative("codes"), None),
        (CLEAR, FIRED, Route.UNCERTAIN),
        (UNSURE, negative("codes"), Route.UNCERTAIN),
        (LIKELY, FIRED, Route.VIOLATION),
    ],
)
def test_route_depends_on_scores_and_screens(
    scores: dict[str, float], outcome: ScreenResult, route: Route | None
) -> None:
    rule = screening(codes={})
    verdict = decide(scores, pass_confidence=0.7, policy=rule, screens={"codes": outcome})
    assert verdict.route is route


def test_photo_of_which_not_all_was_judged_never_passes() -> None:
    normal = {"normal": 0.95, "violate": 0.05}
    for used in (ARTICLE, screening(codes={})):
        fired = {"views": positive("views", "unjudged_frames"), "codes": negative("codes")}
        verdict = decide(normal, pass_confidence=0.7, policy=used, screens=fired)
        assert (verdict.decision, verdict.reasons) == (Decision.REVIEW, ("unjudged_frames",))
        clear = {**fired, "views": negative("views")}
        verdict = decide(normal, pass_confidence=0.7, policy=used, screens=clear)
        assert verdict.decision is Decision.PASS


WITH_FEATURES = ARTICLE.model_copy(
    update={
        "screens": Screens.model_validate(
            {"similar_decisions": {"enabled": True}, "unfamiliar": {"enabled": True}}
        )
    }
)


def test_screens_by_features_send_a_pass_to_review_and_are_no_failure_without_a_result() -> None:
    normal = {"normal": 0.95, "violate": 0.05}
    fired = {
        "unfamiliar": positive("unfamiliar", "unfamiliar", 0.1),
        "similar_decisions": positive("similar_decisions", "similar_violation:violate", 0.9),
    }
    verdict = decide(normal, pass_confidence=0.7, policy=WITH_FEATURES, screens=fired)
    assert verdict.decision is Decision.REVIEW
    assert verdict.reasons == ("similar_violation:violate", "unfamiliar")
    for quiet in ({}, {"unfamiliar": negative("unfamiliar", 0.5)}):
        passed = decide(normal, pass_confidence=0.7, policy=WITH_FEATURES, screens=quiet)
        assert passed.decision is Decision.PASS
    ignored = decide(normal, pass_confidence=0.7, policy=ARTICLE, screens=fired)
    assert ignored.decision is Decision.PASS
    unsure = {"normal": 0.6, "violate": 0.4}
    verdict = decide(unsure, pass_confidence=0.7, policy=WITH_FEATURES, screens=fired)
    assert verdict.reasons[0] == "low_confidence"
