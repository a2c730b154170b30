import pytest

from ml.errors import PolicyError
from ml.policy.verdict import Decision, decide
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
