import pytest

from ml.core.settings import ROOT
from ml.policy.schema import load_policy
from moderation_ui.models.view import View
from moderation_ui.web.words import Words

POLICY = load_policy(ROOT / "config" / "policy.yaml")
EVIDENCE = {
    "target_rate": 0.03, "confidence": 0.95, "photos": 5000, "passed": 3000.0, "leaked": 1.5,
    "upper_bound": 0.0215, "review_rate": 0.3,
}  # fmt: skip


def view(language: str = "en") -> View:
    return View(Words(language), POLICY)


def test_figures_are_the_measured_metrics_alone() -> None:
    measured = {
        "accuracy": 0.9,
        "per_class": {"violate": {"recall": None}, "dropped": {"recall": 0.5}},
        "verdicts": {"leak_rate": 0.01},
    }
    assert [(f.name, f.value) for f in view().figures(measured)] == [
        ("accuracy", 0.9),
        ("recall: Violation", None),
        ("recall: dropped", 0.5),
        ("leak rate (of what passed)", 0.01),
    ]
    assert view().figures(None) == view().figures({}) == []


@pytest.mark.parametrize(
    ("name", "en", "zh"),
    [
        ("recall_floor:violate", "Minimum recall · Violation", "召回率下限 · 违规"),
        ("better", "Better than the champion", "优于现役模型"),
        ("calibration_error", "Calibration", "校准"),
        ("latency", "Speed", "速度"),
        ("no_regression:leak", "No regression versus the champion · leak rate (of what passed)",
         "不低于现役模型 · 漏放率"),
        ("of_tomorrow:x", "of_tomorrow · x", "of_tomorrow · x"),
    ],
)  # fmt: skip
def test_gate_has_a_name_in_both_languages(name: str, en: str, zh: str) -> None:
    assert (view("en").gate(name), view("zh").gate(name)) == (en, zh)


@pytest.mark.parametrize(
    ("both", "en", "zh"),
    [
        ("Accuracy · 准确率", "Accuracy", "准确率"),
        ("violate: recall · 召回率", "Violation: recall", "违规：召回率"),
        ("violate: F1", "Violation: F1", "违规：F1"),
    ],
)
def test_row_name_is_in_one_language(both: str, en: str, zh: str) -> None:
    assert (view("en")._in_language(both), view("zh")._in_language(both)) == (en, zh)


def test_threshold_names_its_evidence() -> None:
    card = {"thresholds": {"pass_confidence": 0.9, "source": "solved", "evidence": EVIDENCE}}
    said = view().thresholds(card)[-1]
    for figure in ("5,000", "3,000", "1.5 are violations", "95 %", "2.15 %", "3.00 %", "30.0 %"):
        assert figure in said
    bare = {"thresholds": {"pass_confidence": 0.7, "source": "policy", "evidence": None}}
    assert "there is no bound on its leak rate" in view().thresholds(bare)[-1]
    assert view().thresholds({}) == ["unknown"]


@pytest.mark.parametrize("kind", ["imagenet", "file", "bundled", "scratch", "champion"])
def test_pretrained_weights_name_their_source(kind: str) -> None:
    card = {"pretrained_weights": {"kind": kind, "detail": "0123456789abcdef"}}
    assert "0123456789ab" in view().pretrained_weights(card)
    assert view().pretrained_weights({}) == "unknown"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0"), (-0.01, "0.0"), (0.26, "+0.3"), (-2.0, "-2.0")]
)
def test_difference_has_a_sign_unless_it_rounds_to_zero(value: float, text: str) -> None:
    assert View.difference(value, 1) == text
