from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from ml.core.errors import ModelError
from ml.core.types import ArchitectureName
from ml.models.activation_map import ActivationMaps, input_crop_box, overlay
from ml.models.card import Calibration, ModelCard, PretrainedWeights, Thresholds
from ml.models.checkpoint import Checkpoint, build_network
from ml.vision.images.preprocess import ARTICLE, Preprocessing, normalize, prepare

CARD = ModelCard(
    weights_sha256="0" * 64,
    classes=("normal", "violate"),
    preprocessing=ARTICLE,
    calibration=Calibration(temperature=1.0, fitted_on=0),
    thresholds=Thresholds(pass_confidence=0.7, source="test"),
    pretrained_weights=PretrainedWeights(kind="scratch", detail="test"),
    preset="test",
    data_hash="0" * 64,
    training_images=0,
    metrics={},
    libraries={},
    seed=0,
)
SQUARE = Preprocessing(
    resize=100, crop=80, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear"
)
SQUASHED = SQUARE.model_copy(update={"fit": "squash"})


@pytest.fixture(scope="module", params=get_args(ArchitectureName))
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    torch.manual_seed(0)
    card = CARD.model_copy(update={"architecture": request.param})
    return Checkpoint(build_network(2, card.architecture).eval().state_dict(), card)


def _with_head(checkpoint: Checkpoint, head: torch.Tensor) -> Checkpoint:
    name, _ = checkpoint.build_network().head_parameters
    return Checkpoint(checkpoint.state | {name: head}, checkpoint.card)


def _picture(size: tuple[int, int] = (320, 240), *, busy_left: bool = True) -> Image.Image:
    """Plain gray, one half of it noise."""
    pixels = np.full((size[1], size[0], 3), 128, dtype=np.uint8)
    half = size[0] // 2
    part = slice(0, half) if busy_left else slice(half, size[0])
    shape = pixels[:, part].shape
    pixels[:, part] = np.random.default_rng(0).integers(0, 256, shape)
    return Image.fromarray(pixels)


def test_activation_map_mean_before_scaling_is_the_logit(checkpoint: Checkpoint) -> None:
    maps = ActivationMaps(checkpoint)
    picture = _picture()
    network = checkpoint.build_network()
    pixels = normalize(torch.from_numpy(prepare(picture, ARTICLE))[None], ARTICLE)
    with torch.inference_mode():
        logit = network(pixels)[0, 1] - network.head.bias[1]
        features = maps._network.feature_maps(pixels).stride_32[0]
        raw = torch.einsum("c,chw->hw", network.head.weight[1], features)
    assert raw.mean() == pytest.approx(float(logit), abs=1e-4)
    scaled = ((raw - raw.min()) / (raw.max() - raw.min())).numpy()
    np.testing.assert_allclose(maps.of(picture, "violate"), scaled, atol=1e-4)


def test_activation_map_spans_zero_to_one_and_differs_by_class(checkpoint: Checkpoint) -> None:
    maps = ActivationMaps(checkpoint)
    first, second = (maps.of(_picture(), label) for label in CARD.classes)
    assert first.shape == (7, 7)
    assert (first.min(), first.max()) == (0.0, 1.0)
    assert not np.allclose(first, second)


def test_activation_map_locates_the_feature_of_the_head(checkpoint: Checkpoint) -> None:
    """A head that asks for the feature that noise excites most finds the noisy half."""
    maps = ActivationMaps(checkpoint)
    pixels = np.stack([prepare(_picture(busy_left=left), ARTICLE) for left in (True, False)])
    with torch.inference_mode():
        features = maps._network.feature_maps(
            normalize(torch.from_numpy(pixels), ARTICLE)
        ).stride_32
        contrasts = features[..., :3].mean((2, 3)) - features[..., 4:].mean((2, 3))
        contrast = torch.minimum(contrasts[0], -contrasts[1])
        head = torch.zeros_like(maps._network.head.weight)
        head[1, int(contrast.argmax())] = 1.0
    asking = _with_head(checkpoint, head)
    for busy_left in (True, False):
        heat = ActivationMaps(asking).of(_picture(busy_left=busy_left), "violate")
        left, right = heat[:, :3].mean(), heat[:, 4:].mean()
        assert (left > right + 0.1) == busy_left, (left, right)
        assert (right > left + 0.1) != busy_left, (left, right)


def test_activation_map_without_evidence_is_zero(checkpoint: Checkpoint) -> None:
    head = checkpoint.build_network().head.weight
    silent = _with_head(checkpoint, torch.zeros_like(head))
    assert not ActivationMaps(silent).of(_picture(), "normal").any()


def test_activation_maps_reject_an_unknown_class_and_weights_that_do_not_fit(
    checkpoint: Checkpoint,
) -> None:
    with pytest.raises(ModelError, match="`spam` is not a class"):
        ActivationMaps(checkpoint).of(_picture(), "spam")
    torn = Checkpoint({"fc.weight": torch.zeros(2, 512)}, CARD)
    with pytest.raises(ModelError, match="do not fit"):
        ActivationMaps(torn)


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (100, 100), (2000, 40), (33, 47)])
@pytest.mark.parametrize("spec", [SQUARE, SQUASHED])
def test_input_crop_box_equals_the_crop_of_prepare(
    size: tuple[int, int], spec: Preprocessing
) -> None:
    """White inside the box, black outside: the model's input is white, but for its border."""
    box = input_crop_box(size, spec)
    picture = Image.new("RGB", size)
    picture.paste((255, 255, 255), box)
    pixels = prepare(picture, spec)
    border = 4 * spec.resize // min(size) + 4
    assert pixels[:, border:-border, border:-border].min() == 255
    outside = Image.new("RGB", size, (255, 255, 255))
    outside.paste((0, 0, 0), box)
    assert prepare(outside, spec)[:, border:-border, border:-border].max() == 0


def test_overlay_of_a_squashed_photo_reaches_its_edges() -> None:
    whole = SQUASHED.model_copy(update={"crop": SQUASHED.resize})
    photo = Image.new("RGB", (300, 400), (90, 90, 90))
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[3] = 1.0
    colored = np.argwhere(np.asarray(overlay(photo, heat, whole))[..., 0] > 150)
    assert colored.max(axis=0).tolist() == [399, 299]
    assert colored.min(axis=0)[0] > 250


def test_overlay_colors_the_active_region_only() -> None:
    photo = Image.new("RGB", (300, 200), (90, 90, 90))
    heat = np.zeros((7, 7), dtype=np.float32)
    heat[0, 0] = 1.0
    laid = overlay(photo, heat, SQUARE)
    assert (laid.size, laid.mode) == (photo.size, "RGB")
    box = input_crop_box(photo.size, SQUARE)
    assert box == (70, 20, 230, 180)
    red, green, blue = laid.getpixel((box[0] + 2, box[1] + 2))
    assert red > 150
    assert max(green, blue) < 60
    changed = np.asarray(laid) != np.asarray(photo)
    assert not changed[:, : box[0]].any()
    assert not changed[:, box[2] :].any()
    assert not changed[100:].any()
    assert photo.getpixel((72, 22)) == (90, 90, 90)
