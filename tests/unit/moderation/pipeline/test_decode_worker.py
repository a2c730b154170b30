"""Text of the views of one photo is read for a limited time; what is left unread is no pass."""

from typing import Any

import pytest

from ml.core.concurrency import StageTimer
from ml.moderation.pipeline import decode_worker
from ml.moderation.pipeline.decode_worker import OUTPUT_BYTES, PhotoWork, WorkerConfig
from ml.policy.screens import Screens
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import ARTICLE
from tests.unit.vision.images.animations import animated
from tests.unit.vision.images.pictures import encoded, photo
from tests.unit.vision.screens.conftest import with_text

RULES = Screens.model_validate({"text": {"enabled": True}})
OUTPUT = memoryview(bytearray(OUTPUT_BYTES))


def work_of(screens: Screens) -> PhotoWork:
    config = WorkerConfig(limits=DecodeLimits(), preprocessing=ARTICLE, screens=screens)
    return PhotoWork(config, StageTimer())


@pytest.mark.parametrize(
    ("seconds", "state", "reason"),
    [(1000.0, "fired", "contact:wechat"), (0.0, "unknown", "too_much_text")],
)
def test_views_left_unread_for_time_fail_the_screen(
    seconds: float, state: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_worker, "MAX_OCR_SECONDS", seconds)
    data = animated([with_text("arrived in time"), with_text("WeChat: lucky_mei77")], "PNG")
    work = work_of(RULES)
    prepared = work({"shadow": False}, data, OUTPUT)
    assert prepared["screens"]["text"]["reason"] == "budget"
    read = work({"read": prepared["unread"]}, data, OUTPUT)
    assert (read["text"]["state"], read["text"]["reason"]) == (state, reason)
    assert read["cpu_seconds"] > 0


def test_only_views_with_likely_text_are_read() -> None:
    data = animated([photo(640, 480), with_text("WeChat: lucky_mei77")], "PNG")
    work = work_of(RULES)
    unread = work({"shadow": False}, data, OUTPUT)["unread"]
    assert [result["state"] for result in unread] == ["clear", "not_run"]
    found: dict[str, Any] = work({"read": unread}, data, OUTPUT)["text"]
    assert (found["reason"], found["evidence"]["view"]) == ("contact:wechat", 1)


def test_photo_without_likely_text_has_nothing_to_read() -> None:
    result = work_of(RULES)({"shadow": False}, encoded(photo(), "PNG"), OUTPUT)
    assert "unread" not in result
    assert result["screens"]["text"]["state"] == "clear"


def test_photo_that_cannot_be_decoded_again_fails_the_screen() -> None:
    unread = [{"state": "not_run", "reason": "budget", "value": None, "evidence": {}}]
    found = work_of(RULES)({"read": unread}, b"no photo", OUTPUT)["text"]
    assert (found["state"], found["reason"]) == ("unknown", "failed")
