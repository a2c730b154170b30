"""One decode for the model and the screens."""

import io

import numpy as np
import pytest
from PIL import Image

from ml.vision.images.decode import draft_factor
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import ARTICLE, DecodePlan, Preprocessing, prepare
from tests.unit.vision.images.pictures import photo


def stored(size: tuple[int, int], kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    photo(*size).save(out, kind, quality=90)
    return out.getvalue()


def test_decode_plan_without_screens_decodes_for_the_model() -> None:
    scale = DecodePlan(DecodeLimits())
    decoded = scale.decode(stored((2000, 1600)), ARTICLE)
    assert decoded.image.size == (500, 400)
    assert scale.for_model(decoded.image, ARTICLE) is decoded.image


@pytest.mark.parametrize(
    ("size", "decoded_size"),
    [
        ((2000, 1500), (2000, 1500)),
        ((2200, 2200), (2200, 2200)),
        ((2300, 2300), (1150, 1150)),  # 90 % of what the screens want
        ((4000, 3000), (2000, 1500)),
        ((640, 480), (640, 480)),
    ],
)
def test_decode_plan_decodes_enough_pixels_for_screens(
    size: tuple[int, int], decoded_size: tuple[int, int]
) -> None:
    decoded = DecodePlan(DecodeLimits(), 1280).decode(stored(size), ARTICLE)
    assert decoded.image.size == decoded_size
    assert (decoded.width, decoded.height) == size


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(2000, 1500), (1300, 3000), (700, 500), (300, 260)])
@pytest.mark.parametrize("spec", [ARTICLE, ARTICLE.model_copy(update={"fit": "squash"})])
def test_decode_plan_changes_model_pixels_by_few_levels(
    size: tuple[int, int], kind: str, spec: Preprocessing
) -> None:
    data = stored(size, kind)
    pixels = []
    for side in (None, 1280):
        scale = DecodePlan(DecodeLimits(), side)
        image = scale.for_model(scale.decode(data, spec).image, spec)
        pixels.append(prepare(image, spec).astype(int))
    assert np.abs(pixels[0] - pixels[1]).max() <= 12


@pytest.mark.parametrize(
    ("size", "factor"), [((4000, 3000), 4), ((9000, 9000), 8), ((800, 790), 2), ((300, 200), 1)]
)
def test_draft_factor_equals_that_of_the_jpeg_decoder(size: tuple[int, int], factor: int) -> None:
    assert draft_factor(size, ARTICLE.resize) == factor
    image = Image.open(io.BytesIO(stored(size)))
    image.draft(None, (384, 384))
    assert image.size == tuple(-(-side // factor) for side in size)
