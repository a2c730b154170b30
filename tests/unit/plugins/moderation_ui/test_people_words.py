from datetime import UTC, datetime

from ml.policy.policy import load_policy
from ml.review.audit_log import Entry
from ml.settings import ROOT
from moderation_ui.language import Words
from moderation_ui.people_words import told

POLICY = load_policy(ROOT / "config" / "policy.yaml")
AT = datetime(2026, 11, 10, tzinfo=UTC)
HASH = "0123456789abcdef" * 4


def test_a_decision_in_both_languages() -> None:
    said = {"label": "violate", "note": "", "category": None, "status": "block"}
    entry = Entry(1, "ann", "decide", "review_task:7", said, AT)
    english, chinese = (told(entry, Words(language), POLICY) for language in ("en", "zh"))
    assert (english.what, english.target) == ("Decided", "task 7")
    assert english.said == (("label", "Violation"), ("shop shows", "block"))
    assert (chinese.what, chinese.said[0]) == ("审核", ("标签", "违规"))


def test_a_switch_names_its_version() -> None:
    entry = Entry(1, "ann", "promote", f"model_version:{HASH}", {"previous": HASH[::-1]}, AT)
    line = told(entry, Words("en"), POLICY)
    assert (line.target, line.model_hash) == ("model 0123456789ab", HASH)
    assert line.said == (("after", HASH[::-1][:12]),)


def test_what_the_locale_does_not_know_stays_as_it_is() -> None:
    entry = Entry(1, "ann", "dance", "floor", {"partner": "bob"}, AT)
    line = told(entry, Words("en"), POLICY)
    assert (line.what, line.target, line.model_hash) == ("dance", "floor", None)
    assert line.said == (("partner", "bob"),)
