"""Screens of signals: what a model sees of a photo, and when its outputs raise the photo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from ml.core.types import ScreenResult, ScreenStatus
from ml.policy.screens import Signal
from ml.vision.screens.signals import SignalInput, prepare_input, screen_signal

NAME, MODEL = "signal:nudity", "a" * 64
CLASSES = ("sfw", "nsfw", "hot")


def rules(**changes: object) -> Signal:
    raises = {
        "nsfw": {"class": "violate", "threshold": 0.8},
        "hot": {"class": "adult", "threshold": 0.5},
    }
    return Signal.model_validate({"model": MODEL, "raises": raises, **changes})


def screen(*scores: tuple[float, float, float], **changes: object) -> ScreenResult:
    return screen_signal(NAME, rules(**changes), CLASSES, np.array(scores, np.float32))


def halves(width: int, height: int) -> Image.Image:
    """Black above, white below, on each side of the middle column red."""
    image = Image.new("RGB", (width, height), "white")
    image.paste((0, 0, 0), (0, 0, width, height // 2))
    return image


@pytest.mark.parametrize(
    ("fit", "dark_rows", "gray_rows"),
    [("squash", 16, 0), ("crop", 16, 0), ("pad", 8, 16)],
)
def test_wide_picture_fits_the_square_as_the_card_says(
    fit: str, dark_rows: int, gray_rows: int
) -> None:
    spec = SignalInput.model_validate({"size": 32, "fit": fit})
    pixels = prepare_input(halves(400, 200), spec)
    assert (pixels.shape, pixels.dtype) == ((3, 32, 32), np.uint8)
    assert pixels.flags.c_contiguous
    column = pixels[0, :, 5]
    assert ((column < 60).sum(), (column == 114).sum()) == (dark_rows, gray_rows)


def test_pad_and_squash_keep_what_crop_loses() -> None:
    image = Image.new("RGB", (400, 200), "white")
    image.paste((0, 0, 0), (0, 0, 60, 200))
    seen = {
        fit: bool(
            (prepare_input(image, SignalInput.model_validate({"size": 32, "fit": fit})) < 5).any()
        )
        for fit in ("squash", "crop", "pad")
    }
    assert seen == {"squash": True, "crop": False, "pad": True}


def test_margin_is_cropped_after_a_larger_resize() -> None:
    image = Image.new("RGB", (256, 256), "white")
    image.paste((0, 0, 0), (0, 0, 256, 14))
    spec = SignalInput(size=224, resize=256)
    assert prepare_input(image, spec).min() == 255
    assert prepare_input(image, SignalInput(size=224)).min() == 0


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (33, 31)])
@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_odd_pictures_have_an_input(size: tuple[int, int], fit: str) -> None:
    spec = SignalInput.model_validate({"size": 64, "fit": fit})
    assert prepare_input(Image.new("RGB", size), spec).shape == (3, 64, 64)


@pytest.mark.parametrize(
    "values",
    [{"size": 641}, {"size": 31}, {"size": 64, "resize": 63}, {"size": 64, "std": [1, 0, 1]},
     {"size": 64, "fit": "pad", "resize": 70}, {"size": 64, "scale": 0}, {"size": 64, "mean": [0]}],
)  # fmt: skip
def test_invalid_input_is_rejected(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SignalInput.model_validate(values)


def test_output_at_its_threshold_fires_and_names_class_and_model() -> None:
    found = screen((0.1, 0.8, 0.2))
    assert (found.name, found.state, found.reason) == (NAME, ScreenStatus.FIRED, f"{NAME}:nsfw")
    assert found.value == pytest.approx(0.8)
    assert found.evidence == {
        "model": MODEL, "scores": {"nsfw": 0.8, "hot": 0.2}, "class": "violate",
    }  # fmt: skip


def test_output_below_its_threshold_is_clear_with_its_score() -> None:
    found = screen((1.0, 0.79, 0.1))
    assert (found.state, found.reason) == (ScreenStatus.CLEAR, None)
    assert found.value == pytest.approx(0.79)
    assert "class" not in found.evidence


def test_output_that_the_policy_does_not_raise_never_fires() -> None:
    assert screen((1.0, 0.0, 0.0)).state is ScreenStatus.CLEAR


def test_output_furthest_above_its_threshold_is_the_reason() -> None:
    found = screen((0.0, 0.85, 0.9))
    assert (found.reason, found.evidence["class"]) == (f"{NAME}:hot", "adult")


def test_worst_view_counts_and_is_named() -> None:
    found = screen((1, 0.1, 0.1), (0, 0.95, 0.2), (1, 0.2, 0.3))
    assert (found.state, found.evidence["view"]) == (ScreenStatus.FIRED, 1)
    assert found.evidence["scores"] == {"nsfw": 0.95, "hot": 0.3}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("other", "action", "state"),
    [
        (0.1, "review", ScreenStatus.UNKNOWN),
        (0.9, "review", ScreenStatus.FIRED),
        (0.9, "evidence", ScreenStatus.UNKNOWN),
    ],
)
def test_score_that_is_no_number_is_a_failure_unless_another_one_fires(
    bad: float, other: float, action: str, state: ScreenStatus
) -> None:
    found = screen((0.0, bad, 0.1), (0.0, other, 0.1), action=action)
    assert found.state is state
    assert found.evidence["scores"] == {"nsfw": other, "hot": 0.1}


def test_photo_without_any_number_is_a_failure_that_can_be_stored() -> None:
    found = screen((float("nan"),) * 3)
    assert (found.state, found.value) == (ScreenStatus.UNKNOWN, None)
    assert found.to_json()["evidence"]


probability = st.floats(0, 1, width=32)


@given(
    st.lists(st.tuples(probability, probability, probability), min_size=1, max_size=4), st.data()
)
def test_higher_score_never_clears_a_photo(
    scores: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(scores) - 1))
    higher = tuple(data.draw(st.floats(s, 1, width=32)) for s in scores[row])
    raised = [*scores[:row], higher, *scores[row + 1 :]]
    if screen(*scores).fired:
        assert screen(*raised).fired  # type: ignore[arg-type]  # of three
