import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from devtools.sample_photos.photo import CATEGORIES
from devtools.sample_photos.render import render_photo
from ml.core.errors import SettingsError

pytestmark = pytest.mark.slow

SMALL = (240, 180)


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.copy()


@pytest.mark.parametrize("category", CATEGORIES)
def test_render_photo_is_deterministic_for_seed_and_index(category: str) -> None:
    assert render_photo(3, 5, category, SMALL) == render_photo(3, 5, category, SMALL)


@pytest.mark.parametrize("category", CATEGORIES)
def test_another_index_or_seed_gives_another_photo(category: str) -> None:
    photos = {render_photo(s, i, category, SMALL).data for s, i in ((3, 5), (3, 6), (4, 5), (5, 3))}
    assert len(photos) == 4


@pytest.mark.parametrize("category", CATEGORIES)
def test_photo_is_a_jpeg_with_the_label_of_its_category(category: str) -> None:
    photo = render_photo(1, 7, category, SMALL)
    picture = opened(photo.data)
    assert (picture.format, picture.mode) == (None, "RGB")  # a copy has no format
    assert photo.data[:3] == b"\xff\xd8\xff"
    assert photo.name == "photo_000007.jpg"
    assert photo.category == category
    assert photo.label == ("normal" if category == "normal" else "violate")
    assert not photo.broken
    assert np.asarray(picture).std() > 5  # not a uniform picture


def test_requested_size_is_used() -> None:
    upright = ImageOps.exif_transpose(opened(render_photo(1, 2, "normal", (320, 200)).data))
    assert upright.size == (320, 200)


def test_default_sizes_are_phone_sizes_in_both_orientations() -> None:
    sizes = {opened(render_photo(2, index, "qr").data).size for index in range(4)}
    assert all(480 <= min(size) <= 720 and 640 <= max(size) <= 960 for size in sizes)
    assert any(width > height for width, height in sizes)
    assert any(width < height for width, height in sizes)


def test_some_photos_are_rotated_by_exif_orientation() -> None:
    turned = 0
    for index in range(40):
        picture = opened(render_photo(9, index, "normal", (168, 160)).data)
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        turned += orientation != 1
        assert ImageOps.exif_transpose(picture).size == (168, 160)
    assert 1 <= turned <= 12


def test_screenshots_are_never_rotated_by_exif() -> None:
    for index in range(30):
        assert not opened(render_photo(9, index, "text", (160, 200)).data).getexif()


def test_unknown_category_error_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="weapon"):
        render_photo(1, 1, "puppy")
