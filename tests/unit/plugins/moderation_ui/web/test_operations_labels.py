import importlib
from types import ModuleType

import pytest

from ml.core.errors import QuarantineReason
from ml.core.settings import ROOT
from ml.policy.schema import load_policy

POLICY = load_policy(ROOT / "config" / "policy.yaml")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "plugins"))
    return importlib.import_module("moderation_ui.web.operations_labels")


@pytest.mark.parametrize(
    ("reason", "en", "zh"),
    [
        ("violation:violate", "likely Violation", "疑似违规"),
        ("low_confidence", "low confidence", "置信度低"),
        ("truncated", "truncated file", "文件不完整"),
        # What nobody has translated, or the policy has dropped, stays the machine's word.
        ("violation:weapon", "likely weapon", "疑似weapon"),
        ("screen_failed:codes", "check failed: QR codes", "检查失败：二维码"),
        ("contact:phone", "contact details: phone", "联系方式：phone"),
        ("human_decision:violate", "reviewer's decision: Violation", "人工判定：违规"),
        ("new:thing", "new:thing", "new:thing"),
        ("<b>new</b>", "<b>new</b>", "<b>new</b>"),
        ("", "", ""),
    ],
)
def test_reasons_are_shown_in_words(told: ModuleType, reason: str, en: str, zh: str) -> None:
    assert told.reason_text(reason, told.Words("en"), POLICY) == en
    assert told.reason_text(reason, told.Words("zh"), POLICY) == zh


@pytest.mark.parametrize("reason", list(QuarantineReason))
def test_every_reason_of_quarantine_has_its_words(
    told: ModuleType, reason: QuarantineReason
) -> None:
    assert f"operations.reason_{reason.value}" in told.sentences()


@pytest.mark.parametrize(
    ("key", "name"),
    [("reviews/2026/a b.jpg", "a b.jpg"), ("plain.jpg", "plain.jpg"), ("odd/", "odd"), ("/", "/")],
)
def test_the_last_part_of_a_key_is_its_name(told: ModuleType, key: str, name: str) -> None:
    assert told.short_name(key) == name


def test_only_what_the_policy_says_is_blurred(told: ModuleType) -> None:
    violate = POLICY.classes["violate"].model_copy(update={"blur": True})
    blurring = POLICY.model_copy(update={"classes": POLICY.classes | {"violate": violate}})
    assert told.blurred(["violation:violate"], blurring)
    assert not told.blurred(["violation:violate"], POLICY)
    assert not told.blurred(["confident_normal", "violation:gone"], blurring)
