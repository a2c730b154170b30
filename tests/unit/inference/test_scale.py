"""One decode for the model and the screens."""

import io

import numpy as np
import pytest
from PIL import Image

from ml.images.decode import DecodeLimits, draft_factor
from ml.images.preprocess import ARTICLE, prepare
from ml.inference.scale import Scale
from tests.unit.images.pictures import photo


def stored(size: tuple[int, int], kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    photo(*size).save(out, kind, quality=90)
    return out.getvalue()


def test_without_screens_the_photo_is_decoded_for_the_model_alone() -> None:
    scale = Scale(DecodeLimits())
    decoded = scale.decode(stored((2000, 1600)), ARTICLE)
    assert decoded.image.size == (500, 400)
    assert scale.for_model(decoded.image, ARTICLE) is decoded.image


@pytest.mark.parametrize(
    ("size", "decoded_size"),
    [((2000, 1500), (2000, 1500)), ((4000, 3000), (2000, 1500)), ((640, 480), (640, 480))],
)
def test_the_screens_get_their_pixels(size: tuple[int, int], decoded_size: tuple[int, int]) -> None:
    decoded = Scale(DecodeLimits(), 1280).decode(stored(size), ARTICLE)
    assert decoded.image.size == decoded_size
    assert (decoded.width, decoded.height) == size


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(2000, 1500), (1300, 3000), (700, 500), (300, 260)])
def test_the_model_sees_the_same_but_for_a_few_levels(size: tuple[int, int], kind: str) -> None:
    data = stored(size, kind)
    pixels = []
    for side in (None, 1280):
        scale = Scale(DecodeLimits(), side)
        image = scale.for_model(scale.decode(data, ARTICLE).image, ARTICLE)
        pixels.append(prepare(image, ARTICLE).astype(int))
    assert np.abs(pixels[0] - pixels[1]).max() <= 12


@pytest.mark.parametrize(
    ("size", "factor"), [((4000, 3000), 4), ((9000, 9000), 8), ((800, 790), 2), ((300, 200), 1)]
)
def test_the_factor_is_that_of_the_jpeg_decoder(size: tuple[int, int], factor: int) -> None:
    assert draft_factor(size, ARTICLE.resize) == factor
    image = Image.open(io.BytesIO(stored(size)))
    image.draft(None, (384, 384))
    assert image.size == tuple(-(-side // factor) for side in size)
