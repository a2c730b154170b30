"""Signals of a policy on the photos of a batch; no error of theirs stops the run."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from ml.core.concurrency import StageTimer
from ml.core.types import ScreenStatus
from ml.models.signals.predictor import SignalPredictor
from ml.moderation.pipeline.signals import Signals
from ml.policy.screens import Signal
from ml.vision.screens.signals import Pixels, Scores
from tests.support.signal_models import SIZE, brightness, make_card, no_number_in_the_light

BRIGHT, DARK = "signal:bright", "signal:dark"


def plain(*levels: int) -> Pixels:
    """Views of these levels."""
    return np.stack([np.full((3, SIZE, SIZE), level, np.uint8) for level in levels])


def rule(output: str, threshold: float = 0.9) -> Signal:
    raises = {output: {"class": "violate", "threshold": threshold}}
    return Signal.model_validate({"model": "b" * 64, "raises": raises})


def predictor(data: bytes, *classes: str) -> SignalPredictor:
    return SignalPredictor(make_card(data, *classes), data, threads=1)


@pytest.fixture
def signals() -> Signals:
    rules = {BRIGHT: rule("bright"), DARK: rule("dark")}
    both = predictor(brightness())
    return Signals(rules, dict.fromkeys(rules, both), StageTimer())


def test_each_photo_has_a_result_of_each_signal_by_its_worst_view(signals: Signals) -> None:
    photos = [[views, views] for views in (plain(255), plain(99, 0, 99), plain(100, 100))]
    found = signals.screen(photos)
    states = [{name: result.fired for name, result in each.items()} for each in found]
    assert states == [
        {BRIGHT: True, DARK: False},
        {BRIGHT: False, DARK: True},
        {BRIGHT: False, DARK: False},
    ]
    assert found[1][DARK].evidence["view"] == 1
    assert signals.clock.drain()["screen_signals"] > 0


def test_no_photos_have_no_results(signals: Signals) -> None:
    assert signals.screen([]) == []


def test_result_of_a_photo_does_not_depend_on_its_batch(signals: Signals) -> None:
    photos = [[plain(level)] * 2 for level in range(0, 256, 17)]
    alone = [result for photo in photos for result in signals.screen([photo])]
    assert signals.screen(photos) == alone


def test_photo_on_which_a_model_gives_no_number_fails_alone() -> None:
    name = "signal:odd"
    odd = Signals(
        {name: rule("dark")}, {name: predictor(no_number_in_the_light(), "dark")},
        StageTimer(),
    )  # fmt: skip
    states = [each[name].state for each in odd.screen([[plain(200)], [plain(20)]])]
    assert states == [ScreenStatus.UNKNOWN, ScreenStatus.CLEAR]


def test_photo_on_which_a_model_raises_fails_alone(signals: Signals) -> None:
    def scores(photos: Sequence[Pixels]) -> Scores:
        if any(photo.min() == 7 for photo in photos):
            raise RuntimeError("CUDA error: out of memory\nat line 5")
        return np.zeros((len(photos), 2), np.float32)

    raising = SimpleNamespace(card=signals.predictors[BRIGHT].card, scores=scores)
    failing = Signals({BRIGHT: rule("bright")}, {BRIGHT: raising}, StageTimer())  # type: ignore[dict-item]  # the part of it that is used
    found = [each[BRIGHT] for each in failing.screen([[plain(1)], [plain(7)], [plain(3)]])]
    assert [f.state.value for f in found] == ["clear", "unknown", "clear"]
    assert found[1].evidence == {"error": "RuntimeError: CUDA error: out of memory"}
