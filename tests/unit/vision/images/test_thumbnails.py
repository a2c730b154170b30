import io

import numpy as np
import pytest
from PIL import Image

from ml.core.errors import ImageRejected
from ml.vision.images.display import (
    arrange,
    as_jpeg,
    decode_pictures,
    display_short_side,
    make_sheet,
)
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.animations import animated
from tests.unit.vision.images.pictures import encoded, photo

LIMITS = DecodeLimits()


def resize_for_display(
    data: bytes, side: int, *, limits: DecodeLimits, size: tuple[int, int] | None = None
) -> Image.Image:
    """As the pages do it."""
    return arrange(decode_pictures(data, display_short_side(side, size), limits=limits), side)


LEFT, RIGHT = (200, 30, 30), (30, 30, 200)


def _stored(size: tuple[int, int], *, orientation: int = 1, form: str = "JPEG") -> bytes:
    """Red on the left, blue on the right, with a manufacturer and a location in its EXIF block."""
    image = Image.new("RGB", size, LEFT)
    image.paste(RIGHT, (size[0] // 2, 0, *size))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = orientation, "a maker"
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    image.save(out, form, exif=exif.tobytes())
    return out.getvalue()


@pytest.mark.parametrize("side", [320, 640, 1280, 2048])
@pytest.mark.parametrize("size", [(3000, 2000), (2000, 3000), (4000, 1400)])
def test_thumbnail_has_the_requested_long_side(size: tuple[int, int], side: int) -> None:
    for known in (None, size):
        image = resize_for_display(_stored(size), side, limits=LIMITS, size=known)
        assert max(image.size) == side
        wanted = side * min(size) / max(size)
        assert min(image.size) == pytest.approx(wanted, abs=1)


def test_thumbnail_of_a_small_photo_is_not_enlarged() -> None:
    assert resize_for_display(_stored((300, 200)), 640, limits=LIMITS).size == (300, 200)


def test_thumbnail_is_upright_and_without_metadata() -> None:
    stored = _stored((900, 600), orientation=6)  # to be rotated by 90 degrees
    with Image.open(io.BytesIO(as_jpeg(resize_for_display(stored, 320, limits=LIMITS)))) as image:
        assert image.format == "JPEG"
        assert image.size == (213, 320)
        assert not image.getexif()
        assert "exif" not in image.info
        top, bottom = image.getpixel((100, 20)), image.getpixel((100, 300))
    assert top == pytest.approx(LEFT, abs=12)
    assert bottom == pytest.approx(RIGHT, abs=12)


def test_thumbnail_of_other_formats_is_jpeg() -> None:
    served = as_jpeg(resize_for_display(_stored((400, 200), form="PNG"), 320, limits=LIMITS))
    with Image.open(io.BytesIO(served)) as image:
        assert (image.format, image.size) == ("JPEG", (320, 160))


def test_thumbnail_of_broken_bytes_is_rejected() -> None:
    with pytest.raises(ImageRejected):
        resize_for_display(_stored((400, 300))[:200], 320, limits=LIMITS)


def test_views_are_shown_side_by_side_with_their_numbers() -> None:
    frames = [Image.new("RGB", (200, 100), color) for color in (LEFT, RIGHT, (30, 200, 30))]
    sheet = resize_for_display(animated(frames, "PNG"), 640, limits=LIMITS)
    assert sheet.size == (404, 204)  # two in a row, none enlarged
    centers = [sheet.getpixel(place) for place in ((100, 50), (304, 50), (100, 154), (304, 154))]
    assert centers == [LEFT, RIGHT, (30, 200, 30), (128, 128, 128)]
    label = np.asarray(sheet.crop((0, 0, 20, 20)).convert("L"))
    assert (label.min(), label.max()) == (0, 255)


@pytest.mark.parametrize("side", [320, 640, 2048])
def test_sheet_fits_the_requested_side(side: int) -> None:
    pictures = [photo(900, 700, seed=n) for n in range(7)]
    assert max(make_sheet(pictures, side).size) <= side


def test_both_backgrounds_and_the_parts_of_a_strip_are_shown() -> None:
    clear = Image.new("RGBA", (100, 100), (255, 255, 255, 0))
    sheet = resize_for_display(encoded(clear, "PNG"), 320, limits=LIMITS)
    assert (sheet.getpixel((50, 50)), sheet.getpixel((154, 50))) == ((255,) * 3, (0,) * 3)
    parts = resize_for_display(encoded(photo(400, 100), "PNG"), 320, limits=LIMITS)
    assert parts.size == (2 * 111 + 4, 2 * 100 + 4)
