import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from torchvision import transforms

from ml.vision.images.preprocess import (
    ARTICLE,
    Preprocessing,
    _crop_extreme_aspect,
    normalize,
    prepare,
)
from tests.unit.vision.images.pictures import photo


def spec(
    resize: int = 64, crop: int = 56, interpolation: str = "bilinear", fit: str = "crop"
) -> Preprocessing:
    changed = {"resize": resize, "crop": crop, "interpolation": interpolation, "fit": fit}
    return Preprocessing.model_validate(ARTICLE.model_dump() | changed)


def torchvisions(image: Image.Image, of: Preprocessing) -> torch.Tensor:
    mode = transforms.InterpolationMode(of.interpolation)
    steps = [
        transforms.Resize(
            (of.resize, of.resize) if of.fit == "squash" else of.resize, interpolation=mode
        ),
        transforms.CenterCrop(of.crop),
        transforms.ToTensor(),
        transforms.Normalize(of.mean, of.std),
    ]
    tensor: torch.Tensor = transforms.Compose(steps)(image)
    return tensor


def ours(image: Image.Image, of: Preprocessing) -> torch.Tensor:
    return normalize(torch.from_numpy(prepare(image, of)[None]), of)[0]


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(32, 500),
    height=st.integers(32, 500),
    resize=st.integers(16, 300),
    cropped=st.floats(0.1, 1),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    fit=st.sampled_from(["crop", "squash"]),
)
def test_prepare_equals_torchvision_at_any_size(  # noqa: PLR0917 - hypothesis draws each
    width: int, height: int, resize: int, cropped: float, interpolation: str, fit: str
) -> None:
    if max(width, height) > 10 * min(width, height):
        height = width
    of = spec(resize, max(1, round(resize * cropped)), interpolation, fit)
    image = photo(width, height)
    torch.testing.assert_close(ours(image, of), torchvisions(image, of), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(1067, 800), (800, 1067), (256, 256), (257, 341), (640, 481)])
def test_article_preprocessing_equals_torchvision(size: tuple[int, int]) -> None:
    image = photo(*size)
    torch.testing.assert_close(
        ours(image, ARTICLE), torchvisions(image, ARTICLE), rtol=0, atol=1e-6
    )


def test_prepare_returns_bytes_in_channel_order() -> None:
    array = prepare(Image.new("RGB", (90, 70), (10, 20, 30)), spec())
    assert array.dtype == np.uint8
    assert array.shape == (3, 56, 56)
    assert array.flags.c_contiguous
    assert array[:, 5, 5].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("size", "kept"), [((32, 3_000_000), (32, 320)), ((30_001, 40), (400, 40))]
)
def test_prepare_crops_a_long_strip_before_resizing(
    size: tuple[int, int], kept: tuple[int, int]
) -> None:
    """Resized without a crop, the first one would need 20 GB."""
    assert _crop_extreme_aspect(Image.new("RGB", size)).size == kept


@pytest.mark.parametrize("size", [(32, 30_000), (30_000, 32)])
def test_prepare_keeps_the_center_of_a_long_strip(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    centre = [side // 2 for side in size]
    image.paste((255, 0, 0), (centre[0] - 40, centre[1] - 40, centre[0] + 40, centre[1] + 40))
    array = prepare(image, spec(64, 64))
    assert array[0].min() == 255
    assert array[1].max() == 0


@pytest.mark.parametrize("size", [(90, 160), (120, 160), (160, 120), (100, 100)])
@pytest.mark.parametrize("edge", ["top", "bottom", "left", "right"])
def test_squashed_photo_shows_its_edges(size: tuple[int, int], edge: str) -> None:
    """A bar of a tenth of the photo is a tenth of the model's input."""
    image, wide, high = Image.new("RGB", size), *size
    bars = {
        "top": (0, 0, wide, high // 10),
        "bottom": (0, high - high // 10, wide, high),
        "left": (0, 0, wide // 10, high),
        "right": (wide - wide // 10, 0, wide, high),
    }
    image.paste((255, 255, 255), bars[edge])
    array = prepare(image, spec(50, 50, fit="squash")).astype(float) / 255
    inputs = {"top": array[:, :5], "bottom": array[:, -5:]}
    inputs |= {"left": array[:, :, :5], "right": array[:, :, -5:]}
    assert inputs[edge].mean() > 0.9
    assert array.sum() == pytest.approx(inputs[edge].sum(), rel=0.15)


def test_prepare_at_the_maximum_aspect_equals_torchvision() -> None:
    image = photo(400, 40)
    torch.testing.assert_close(ours(image, spec()), torchvisions(image, spec()), rtol=0, atol=1e-6)


def test_normalize_returns_channels_last_and_keeps_its_input() -> None:
    batch = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    before = batch.clone()
    result = normalize(batch, spec(), dtype=torch.bfloat16)
    assert result.dtype is torch.bfloat16
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch, before)


def test_normalize_rounds_half_precision_once() -> None:
    batch = torch.arange(256, dtype=torch.uint8).repeat(3, 1).view(1, 3, 16, 16)
    exact = normalize(batch, spec())
    assert torch.equal(normalize(batch, spec(), dtype=torch.float16), exact.half())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"crop": 257}, "lower the crop"),
        ({"resize": 15, "crop": 8}, "greater than or equal to 16"),
        ({"resize": 1025}, "less than or equal to 1024"),
        ({"crop": 0}, "greater than or equal to 1"),
        ({"std": (0.2, 0.0, 0.2)}, "greater than 0"),
        ({"mean": (0.5, float("nan"), 0.5)}, "finite"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"interpolation": "nearest"}, "bilinear"),
        ({"resise": 256}, "Extra inputs"),
        ({"fit": "stretch"}, "squash"),
    ],
)
def test_invalid_preprocessing_is_rejected(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Preprocessing.model_validate(ARTICLE.model_dump() | changed)


def test_preprocessing_is_immutable_and_survives_a_json_round_trip() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ARTICLE.resize = 300  # type: ignore[misc]  # the assignment under test
    assert Preprocessing.model_validate_json(ARTICLE.model_dump_json()) == ARTICLE


def test_default_fit_is_omitted_so_that_older_cards_keep_their_hash() -> None:
    text = ARTICLE.model_dump_json()
    assert text == (
        '{"resize":256,"crop":224,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],'
        '"interpolation":"bilinear"}'
    )
    squashed = spec(fit="squash")
    assert squashed.model_dump()["fit"] == "squash"
    assert Preprocessing.model_validate_json(squashed.model_dump_json()) == squashed
