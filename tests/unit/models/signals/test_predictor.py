"""Models of signals are computed as their cards say."""

import numpy as np
import pytest
from onnx import helper

from ml.core.errors import SignalError
from ml.models.signals.predictor import SignalPredictor
from tests.support.signal_models import (
    SIZE,
    bright_cells,
    brightness,
    make_card,
    make_model,
    no_number_in_the_light,
)


def plain(*levels: int) -> np.ndarray:
    """A picture with these levels of red, green and blue."""
    return np.broadcast_to(np.array(levels, np.uint8)[:, None, None], (3, SIZE, SIZE)).copy()


def test_classifier_gives_a_row_a_photo() -> None:
    data = brightness()
    predictor = SignalPredictor(make_card(data), data, threads=1)
    scores = predictor.scores([plain(255, 255, 255), plain(0, 0, 0), plain(51, 51, 51)])
    assert scores.dtype == np.float32
    assert scores == pytest.approx(np.array([[1, 0], [0, 1], [0.2, 0.8]]), abs=1e-6)


def test_single_photos_give_what_a_batch_gives() -> None:
    fixed = make_model(shape=(1, 3, SIZE, SIZE), output=(1, 2)).SerializeToString()
    photos = [plain(level, level, level) for level in (3, 99, 201)]
    free = SignalPredictor(make_card(brightness()), brightness(), threads=1)
    free._batch_size = 2  # as on a GPU
    assert (
        SignalPredictor(make_card(fixed), fixed, threads=1).scores(photos) == free.scores(photos)
    ).all()


def test_detector_counts_the_likeliest_box_of_each_class() -> None:
    data = bright_cells()
    card = make_card(
        data, "red", "green", "blue", output={"kind": "detector", "classes_first": True}
    )
    picture = plain(0, 0, 0)
    picture[0, 8:16, 24:32] = 255
    picture[2, :8, :8] = 51
    [scores] = SignalPredictor(card, data, threads=1).scores([picture])
    assert scores == pytest.approx([1.0, 0.0, 0.2], abs=1e-6)
    rest = make_card(
        data, "green", "blue", output={"kind": "detector", "classes_first": True, "skip": 1}
    )
    [scores] = SignalPredictor(rest, data, threads=1).scores([picture])
    assert scores == pytest.approx([0.0, 0.2], abs=1e-6)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, [1.0, 0.2, 0.0]),
        ({"colors": "BGR"}, [0.0, 0.2, 1.0]),
        ({"scale": 510}, [0.5, 0.1, 0.0]),
        ({"scale": 255, "mean": [0.5, 0.1, 0.0], "std": [2, 1, 1]}, [0.25, 0.1, 0.0]),
    ],
)
def test_pixels_are_scaled_by_channel_in_the_cards_order(
    spec: dict[str, object], expected: list[float]
) -> None:
    data = bright_cells()
    output = {"kind": "detector", "classes_first": True}
    card = make_card(data, "first", "second", "third", input=spec, output=output)
    [scores] = SignalPredictor(card, data, threads=1).scores([plain(255, 51, 0)])
    assert scores == pytest.approx(expected, abs=1e-6)


def test_channels_last_layout_sees_the_same_picture() -> None:
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["first"], ["c"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Reshape", ["c", "boxes"], ["scores"]),
    ]
    shape, output = ("n", SIZE, SIZE, 3), ("n", 3, 16)
    data = make_model(nodes, shape=shape, output=output).SerializeToString()
    spec = {"kind": "detector", "classes_first": True}
    card = make_card(data, "red", "green", "blue", input={"layout": "NHWC"}, output=spec)
    [scores] = SignalPredictor(card, data, threads=1).scores([plain(255, 51, 0)])
    assert scores == pytest.approx([1.0, 0.2, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("softmax", [1 / (1 + np.exp(-1)), 1 / (1 + np.e)]), ("sigmoid", [1 / (1 + np.exp(-1)), 0.5])],
)
def test_activation_makes_probabilities_of_logits(activation: str, expected: list[float]) -> None:
    data = brightness()
    card = make_card(data, output={"activation": activation})
    [scores] = SignalPredictor(card, data, threads=1).scores([plain(255, 255, 255)])
    assert scores == pytest.approx(expected, abs=1e-6)


def test_logits_without_an_activation_are_refused() -> None:
    data = brightness()
    card = make_card(data, input={"scale": 1})
    with pytest.raises(SignalError, match="no probabilities: name the card's `activation`"):
        SignalPredictor(card, data, threads=1)


@pytest.mark.parametrize(
    ("classes", "output", "words"),
    [
        (("bright",), {}, r"gives \(2,\) scores, the card names 1 classes"),
        (("a", "b", "c"), {}, r"gives \(2,\) scores, the card names 3 classes"),
        (("bright", "dark"), {"kind": "detector"}, r"shape \(1, 2\), which is no detector's"),
    ],
)
def test_output_that_is_not_the_cards_is_refused(
    classes: tuple[str, ...], output: dict[str, object], words: str
) -> None:
    data = brightness()
    with pytest.raises(SignalError, match=words):
        SignalPredictor(make_card(data, *classes, output=output), data, threads=1)


def test_photo_without_a_number_is_no_error_of_the_model() -> None:
    data = no_number_in_the_light()
    predictor = SignalPredictor(make_card(data, "dark"), data, threads=1)
    scores = predictor.scores([plain(255, 255, 255), plain(0, 0, 0)])
    assert np.isnan(scores[0, 0])
    assert scores[1, 0] == pytest.approx(0.7**0.5)


def test_detector_without_a_box_finds_nothing() -> None:
    """As many boxes as the picture has wholly white cells."""
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Reshape", ["cells", "flat"], ["row"]),
        helper.make_node("GreaterOrEqual", ["row", "one"], ["white"]),
        helper.make_node("Compress", ["row", "white"], ["found"], axis=0),
        helper.make_node("Reshape", ["found", "rows"], ["scores"]),
    ]
    model = make_model(nodes, shape=(1, 3, SIZE, SIZE), output=(1, "boxes", 1))
    for name, value in (("flat", [-1]), ("rows", [1, -1, 1])):
        model.graph.initializer.append(helper.make_tensor(name, 7, [len(value)], value))
    model.graph.initializer[0].CopyFrom(helper.make_tensor("one", 1, [1], [1.0]))
    data = model.SerializeToString()
    predictor = SignalPredictor(
        make_card(data, "white", output={"kind": "detector"}), data, threads=1
    )
    assert predictor.scores([plain(9, 9, 9), plain(255, 255, 255)]).tolist() == [[0.0], [1.0]]
