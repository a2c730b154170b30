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


def spec(resize: int = 64, crop: int = 56, interpolation: str = "bilinear") -> Preprocessing:
    changed = {"resize": resize, "crop": crop, "interpolation": interpolation}
    return Preprocessing.model_validate(ARTICLE.model_dump() | changed)


def torchvisions(image: Image.Image, of: Preprocessing) -> torch.Tensor:
    mode = transforms.InterpolationMode(of.interpolation)
    steps = [
        transforms.Resize(of.resize, interpolation=mode),
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
)
def test_prepare_equals_torchvision_at_any_size(
    width: int, height: int, resize: int, cropped: float, interpolation: str
) -> None:
    if max(width, height) > 10 * min(width, height):
        height = width
    of = spec(resize, max(1, round(resize * cropped)), interpolation)
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
    ],
)
def test_invalid_preprocessing_is_rejected(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Preprocessing.model_validate(ARTICLE.model_dump() | changed)


def test_preprocessing_is_immutable_and_survives_a_json_round_trip() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ARTICLE.resize = 300  # type: ignore[misc]  # the assignment under test
    assert Preprocessing.model_validate_json(ARTICLE.model_dump_json()) == ARTICLE
