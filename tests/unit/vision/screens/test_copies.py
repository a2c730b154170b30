"""Edited copies are recognized by their pictures, and photos of one scene are distinguished."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from devtools.sample_photos.edits import EDITS
from devtools.sample_photos.photo import CATEGORIES
from devtools.sample_photos.render import render_photo
from ml.vision.screens.copies import (
    LONG_SIDE,
    Gray,
    Picture,
    decode_picture,
    encode_picture,
    find_copy,
    small_picture,
)
from tests.unit.vision.images.pictures import photo

SIDE, PHOTOS = 128, 6


def seen(image: Image.Image) -> Gray:
    """The picture of a photo that the model sees squashed."""
    pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    return small_picture(pixels, image.width, image.height)


def rendered(number: int) -> Image.Image:
    data = render_photo(11, number, CATEGORIES[number % len(CATEGORIES)]).data
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.fixture(scope="module")
def originals() -> list[Image.Image]:
    return [rendered(number) for number in range(PHOTOS)]


@pytest.mark.parametrize("edit", EDITS)
def test_edited_copies_are_found(edit: str, originals: list[Image.Image]) -> None:
    found = 0
    for number, image in enumerate(originals):
        changed = EDITS[edit](image, random.Random(f"{edit} {number}"))  # noqa: S311 - draws no secret
        stored = decode_picture(encode_picture(seen(image)))
        copy = find_copy(Picture(seen(changed)), Picture(stored))
        found += copy is not None
        assert copy is None or copy.mirrored == ("mirrored" in edit)
    assert found >= PHOTOS - 2


def test_other_photos_are_no_copies(originals: list[Image.Image]) -> None:
    pictures = [Picture(seen(image)) for image in originals]
    for number, picture in enumerate(pictures):
        assert [find_copy(picture, other) for other in pictures[:number]] == [None] * number


def test_two_products_on_one_floor_are_no_copies() -> None:
    """Most keypoints are those of the floor, and fit exactly."""
    rng = np.random.default_rng(3)
    floor = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize((640, 480))
    laid = []
    for number in (1, 5):
        picture = floor.copy()
        picture.paste(rendered(number).resize((420, 360)), (110, 60))
        laid.append(Picture(seen(picture)))
    assert find_copy(*laid) is None
    assert find_copy(laid[0], laid[0]) is not None


def test_picture_has_the_aspect_of_the_photo_and_survives_its_file() -> None:
    gray = seen(photo(640, 320))
    assert gray.shape == (LONG_SIDE // 2, LONG_SIDE)
    data = encode_picture(gray)
    assert len(data) < 16_000
    assert np.abs(decode_picture(data).astype(int) - gray).mean() < 3


@pytest.mark.parametrize("gray", [np.zeros((160, 120), np.uint8), np.zeros((24, 24), np.uint8)])
def test_picture_without_structure_is_no_copy(gray: Gray) -> None:
    assert find_copy(Picture(gray), Picture(gray)) is None
