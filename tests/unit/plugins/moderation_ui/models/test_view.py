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


COMPARISON = {
    "photos": 2000.0, "area_difference": -0.00031, "area_low": -0.0012, "leak_difference": 0.0,
    "leak_high": 0.0021, "review_share": 0.12, "variant_review_share": 0.127,
}  # fmt: skip
VARIANT = {
    "calibration_photos": 300,
    "calibration": {"temperature": 1.5},
    "thresholds": {"pass_confidence": 0.9, "source": "solved", "evidence": EVIDENCE},
    "comparison": COMPARISON,
}


def test_int8_variant_has_its_threshold_and_its_differences() -> None:
    card = {"int8": VARIANT}
    assert view().int8_state(card) == "allowed"
    made, at, _source, evidence, *compared = view().int8(card)
    assert made == "Allowed. Quantized with 300 training photos; temperature 1.500."
    assert "at least 0.9000" in at
    assert "2.15 %" in evidence
    assert compared == [
        "Compared with float32 on 2,000 held-out photos, bounds of 95 % confidence:",
        "area under the ROC curve: -0.0003, at worst -0.0012",
        "leak rate at an equal review share: 0.00 percentage points, at worst +0.21",
        "sent to review: 12.7 %, by float32 12.0 %",
    ]


@pytest.mark.parametrize(
    ("reason", "en", "zh"),
    [
        ("area", "area under the ROC curve may fall", "ROC 曲线下面积"),
        ("leak", "leak rate at an equal review share may rise", "漏放率的升幅"),
        ("threshold", "no threshold with the required bound", "无法求得"),
    ],
)
def test_refused_int8_variant_has_a_reason_in_both_languages(reason: str, en: str, zh: str) -> None:
    unknown = {"photos": 20.0, "review_share": 1.0}
    card = {"refused_int8": {"reason": reason, "comparison": unknown}}
    assert view().int8_state(card) == "refused"
    refused, _photos, area, *_ = view().int8(card)
    assert en in refused
    assert zh in view("zh").int8(card)[0]
    assert area == "area under the ROC curve: –, at worst –"


def test_version_without_an_int8_variant_says_so() -> None:
    assert view().int8_state({}) == "absent"
    assert view().int8({}) == ["None was made in its training."]


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
