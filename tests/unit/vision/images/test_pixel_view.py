"""Pixels of a Pillow picture without a copy, and halving by them."""

import numpy as np
import pytest
from PIL import Image

from ml.vision.images.grayscale import gray_pixels
from ml.vision.images.pixel_view import halve_rgb, view_pixels
from tests.unit.vision.images.pictures import photo


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def test_view_pixels_shares_the_pixels_of_the_picture() -> None:
    picture = noise(70, 50)
    view = view_pixels(picture)
    assert view is not None
    assert np.array_equal(view[..., :3], np.asarray(picture))
    picture.putpixel((3, 2), (1, 2, 3))
    assert view[2, 3, :3].tolist() == [1, 2, 3]


def test_view_pixels_outlives_the_picture() -> None:
    expected, view = np.asarray(noise(300, 200)), view_pixels(noise(300, 200))
    assert view is not None
    assert np.array_equal(view[..., :3], expected)


def test_large_picture_has_no_view_and_its_gray_pixels_nevertheless() -> None:
    large = photo(2600, 1900)
    assert view_pixels(large) is None
    assert gray_pixels(large).shape == (1900, 2600)


@pytest.mark.parametrize(
    "size", [(64, 48), (65, 48), (64, 49), (65, 49), (1, 9), (9, 1), (2600, 1901)]
)
def test_halve_rgb_equals_pillow(size: tuple[int, int]) -> None:
    picture = noise(*size)
    half = halve_rgb(picture)
    assert half.mode == "RGB"
    assert np.array_equal(np.asarray(half), np.asarray(picture.reduce(2)))


def test_gray_pixels_equal_pillow_within_a_level() -> None:
    picture = noise(300, 200)
    difference = gray_pixels(picture).astype(int) - np.asarray(picture.convert("L"))
    assert np.abs(difference).max() <= 1
