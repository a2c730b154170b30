import io

import pytest
from PIL import Image, UnidentifiedImageError

from devtools.sample_photos.contact_sheet import contact_sheet
from ml.core.errors import SettingsError


def picture(size: tuple[int, int], *, orientation: int = 1) -> bytes:
    """Return a JPEG, left half red and right half blue."""
    image = Image.new("RGB", size, (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def near(color: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(color, tuple)
    return all(abs(a - b) < 12 for a, b in zip(color, wanted, strict=True))


def test_contact_sheet_size_fits_all_rows_and_columns() -> None:
    sheet = contact_sheet([(picture((80, 60)), "pass", "#2a9d5c")] * 5, columns=2, tile=96)
    gap, bar = 6, 14
    assert sheet.size == (2 * (96 + gap) + gap, 3 * (96 + bar + gap) + gap)


def test_contact_sheet_frame_has_the_requested_color() -> None:
    sheet = contact_sheet([(picture((80, 60)), "", "#c0392b")], columns=1, tile=96)
    assert sheet.getpixel((7, 7)) == (0xC0, 0x39, 0x2B)
    assert sheet.getpixel((1, 1)) != (0xC0, 0x39, 0x2B)


def test_contact_sheet_crop_is_square_and_centered() -> None:
    sheet = contact_sheet([(picture((400, 100)), "", "black")], columns=1, tile=96)
    middle = 6 + 48
    assert near(sheet.getpixel((middle - 30, middle)), (255, 0, 0))
    assert near(sheet.getpixel((middle + 30, middle)), (0, 0, 255))


def test_contact_sheet_applies_exif_orientation() -> None:
    sheet = contact_sheet([(picture((100, 100), orientation=3), "", "black")], columns=1, tile=96)
    assert near(sheet.getpixel((6 + 20, 6 + 48)), (0, 0, 255))


def test_contact_sheet_draws_the_caption() -> None:
    plain, written = (
        contact_sheet([(picture((80, 60)), caption, "black")], columns=1, tile=96)
        for caption in ("", "review")
    )
    assert plain.tobytes() != written.tobytes()
    above_the_bar = (0, 0, plain.width, 6 + 94)
    assert plain.crop(above_the_bar).tobytes() == written.crop(above_the_bar).tobytes()


@pytest.mark.parametrize(("count", "columns", "tile"), [(0, 2, 96), (1, 0, 96), (1, 1, 20)])
def test_invalid_layout_error_names_the_limits(count: int, columns: int, tile: int) -> None:
    with pytest.raises(SettingsError, match="at least one photo"):
        contact_sheet([(picture((80, 60)), "", "black")] * count, columns, tile)


def test_invalid_picture_bytes_raise() -> None:
    with pytest.raises(UnidentifiedImageError):
        contact_sheet([(b"hello", "", "black")], columns=1, tile=96)
