import io

import pytest
from PIL import Image

from ml.errors import ImageRejected
from ml.images.decode import DecodeLimits
from ml.images.serve import SIDES, as_jpeg, reduced

LIMITS = DecodeLimits()
LEFT, RIGHT = (200, 30, 30), (30, 30, 200)


def _stored(size: tuple[int, int], *, orientation: int = 1, form: str = "JPEG") -> bytes:
    """Red on the left, blue on the right, with a maker's name and place in its EXIF block."""
    image = Image.new("RGB", size, LEFT)
    image.paste(RIGHT, (size[0] // 2, 0, *size))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = orientation, "a maker"
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    image.save(out, form, exif=exif.tobytes())
    return out.getvalue()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [(3000, 2000), (2000, 3000), (4000, 400)])
def test_the_long_side_is_as_asked(size: tuple[int, int], side: int) -> None:
    for known in (None, size):
        image = reduced(_stored(size), side, limits=LIMITS, size=known)
        assert max(image.size) == side
        wanted = side * min(size) / max(size)
        assert min(image.size) == pytest.approx(wanted, abs=1)


def test_a_small_photo_is_not_enlarged() -> None:
    assert reduced(_stored((300, 200)), 640, limits=LIMITS).size == (300, 200)


def test_it_is_upright_and_without_metadata() -> None:
    stored = _stored((900, 600), orientation=6)  # to be turned by a quarter to the right
    with Image.open(io.BytesIO(as_jpeg(reduced(stored, 320, limits=LIMITS)))) as image:
        assert image.format == "JPEG"
        assert image.size == (213, 320)
        assert not image.getexif()
        assert "exif" not in image.info
        top, bottom = image.getpixel((100, 20)), image.getpixel((100, 300))
    assert top == pytest.approx(LEFT, abs=12)
    assert bottom == pytest.approx(RIGHT, abs=12)


def test_other_formats_become_jpeg() -> None:
    served = as_jpeg(reduced(_stored((400, 200), form="PNG"), 320, limits=LIMITS))
    with Image.open(io.BytesIO(served)) as image:
        assert (image.format, image.size) == ("JPEG", (320, 160))


def test_broken_bytes_are_rejected() -> None:
    with pytest.raises(ImageRejected):
        reduced(_stored((400, 300))[:200], 320, limits=LIMITS)
