"""Text of the views of one photo is read for a limited time; what is left unread is no pass."""

import pytest

from ml.core.concurrency import StageTimer
from ml.core.message_channel import Message
from ml.moderation.pipeline import decode_worker
from ml.moderation.pipeline.decode_worker import OUTPUT_BYTES, PhotoWork, WorkerConfig
from ml.policy.screens import Screens
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import ARTICLE
from tests.unit.vision.images.animations import animated
from tests.unit.vision.screens.conftest import with_text

RULES = Screens.model_validate({"text": {"enabled": True}})


class _AdmitsAll:
    """The caller of a worker, whose budget has no end; counts what it was charged for."""

    charged = 0

    def ask(self, _message: Message) -> Message:
        return {"admitted": True}

    def tell(self, _message: Message) -> None:
        self.charged += 1


@pytest.mark.parametrize(
    ("seconds", "read", "state", "reason"),
    [(1000.0, 2, "fired", "contact:wechat"), (0.0, 1, "unknown", "too_much_text")],
)
def test_views_left_unread_for_time_fail_the_screen(
    seconds: float, read: int, state: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_worker, "MAX_OCR_SECONDS", seconds)
    frames = [with_text("arrived in time"), with_text("WeChat: lucky_mei77")]
    config = WorkerConfig(limits=DecodeLimits(), preprocessing=ARTICLE, screens=RULES)
    caller, output = _AdmitsAll(), memoryview(bytearray(OUTPUT_BYTES))
    work = PhotoWork(config, StageTimer())
    result = work({"shadow": False}, animated(frames, "PNG"), output, caller)  # type: ignore[arg-type]  # the part of it that is used
    assert (result["screens"]["text"]["state"], result["screens"]["text"]["reason"]) == (
        state,
        reason,
    )
    assert caller.charged == read
