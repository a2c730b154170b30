import pytest

from ml.core.errors import QuarantineReason
from ml.core.settings import ROOT
from ml.policy.schema import Policy, load_policy
from ml.vision.screens.text.services import ContactKind
from moderation_ui.web.words import Labels, Words, load_texts, short_name

POLICY = load_policy(ROOT / "config" / "policy.yaml")


@pytest.mark.parametrize(
    ("reason", "en", "zh"),
    [
        ("violation:violate", "likely Violation", "疑似违规"),
        ("low_confidence", "low confidence", "置信度低"),
        ("disputed", "golden label disputed", "金标标签有争议"),
        ("truncated", "truncated file", "文件不完整"),
        # A name without a text, or that the policy no longer has, is shown as it is.
        ("violation:weapon", "likely weapon", "疑似weapon"),
        ("screen_failed:codes", "check failed: QR codes", "检查失败：二维码"),
        ("signal:nudity:nsfw", "raised by another model: nudity:nsfw", "外部模型标记：nudity:nsfw"),
        (
            "screen_failed:signal:nudity",
            "check failed: other model nudity",
            "检查失败：外部模型 nudity",
        ),
        ("contact:phone", "contact details: phone number", "联系方式：手机号"),
        ("contact:fax", "contact details: fax", "联系方式：fax"),
        ("human_decision:violate", "reviewer's decision: Violation", "人工判定：违规"),
        ("new:thing", "new:thing", "new:thing"),
        ("<b>new</b>", "<b>new</b>", "<b>new</b>"),
        ("", "", ""),
    ],
)
def test_reason_is_shown_in_both_languages(reason: str, en: str, zh: str) -> None:
    assert Labels(Words("en"), POLICY).reason(reason) == en
    assert Labels(Words("zh"), POLICY).reason(reason) == zh


@pytest.mark.parametrize("reason", list(QuarantineReason))
def test_every_quarantine_reason_has_a_text(reason: QuarantineReason) -> None:
    assert f"operations.reason_{reason.value}" in load_texts()


@pytest.mark.parametrize("kind", list(ContactKind))
def test_every_contact_kind_has_a_text(kind: ContactKind) -> None:
    assert f"common.contact_{kind.value}" in load_texts()


@pytest.mark.parametrize(
    ("key", "name"),
    [("reviews/2026/a b.jpg", "a b.jpg"), ("plain.jpg", "plain.jpg"), ("odd/", "odd"), ("/", "/")],
)
def test_short_name_is_the_last_part_of_a_key(key: str, name: str) -> None:
    assert short_name(key) == name


def test_only_classes_that_the_policy_blurs_are_blurred() -> None:
    violate = POLICY.classes["violate"].model_copy(update={"blur": True})
    blurring = POLICY.model_copy(update={"classes": POLICY.classes | {"violate": violate}})
    labels = Labels(Words("en"), blurring)
    assert labels.is_blurred(["violation:violate"])
    assert not Labels(Words("en"), POLICY).is_blurred(["violation:violate"])
    assert not labels.is_blurred(["confident_normal", "violation:gone"])
    unknown = POLICY.model_copy(update={"classes": {}})
    assert Labels(Words("en"), unknown).is_blurred([])


def test_photo_that_a_signal_raised_is_blurred_as_its_class_is() -> None:
    raises = {"nsfw": {"class": "violate", "threshold": 0.8}}
    signals = {"nudity": {"model": "a" * 64, "raises": raises}}
    raw = POLICY.model_dump(mode="json")
    raw["screens"]["signals"] = signals
    raw["classes"]["violate"]["blur"] = True
    labels = Labels(Words("en"), Policy.model_validate(raw))
    assert labels.is_blurred(["signal:nudity:nsfw"])
    assert not labels.is_blurred(["signal:nudity:hot", "unfamiliar"])
