"""BMP files about whose pixels programs disagree are quarantined; a profile in them counts."""

import struct

import pytest
from PIL import Image

from benchmarks.as_shown_codings import bitmap_photos
from ml.core.errors import ImageRejected
from ml.vision.images.bmp_header import read_bmp_color
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.pictures import distance, encoded, photo

BITMAPS = dict(bitmap_photos())


def run_length_bmp(width: int, height: int, body: bytes) -> bytes:
    """A picture of 256 grays, compressed by run lengths."""
    colors = b"".join(bytes([gray, gray, gray, 0]) for gray in range(256))
    start = 14 + 40 + len(colors)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + info + colors + body


@pytest.mark.parametrize(
    "data",
    [
        run_length_bmp(64, 48, bytes([64, 200, 0, 0]) * 48 + bytes([0, 1])),
        run_length_bmp(64, 48, bytes([0, 2, 9, 9, 9, 1, 0, 1])),  # skips pixels
        run_length_bmp(4000, 4000, bytes([0, 1])),  # costly: ends of rows, filled pixel by pixel
        run_length_bmp(64, 48, bytes([0, 0]) * 100_000),  # costly: runs of no pixel
        run_length_bmp(4000, -4000, bytes([0, 1])),
    ],
)
def test_run_lengths_are_unsupported(data: bytes) -> None:
    with pytest.raises(ImageRejected, match=r"unsupported_format.*run lengths"):
        decode(data, limits=DecodeLimits())


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("start", [14, 54, 60])
def test_pixels_that_begin_in_the_palette_are_corrupt(mode: str, start: int) -> None:
    data = encoded(photo().convert(mode), "BMP")
    with pytest.raises(ImageRejected, match=f"corrupt.*at byte {start}"):
        decode(data[:10] + struct.pack("<I", start) + data[14:], limits=DecodeLimits())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_plain_bitmap_is_decoded(mode: str) -> None:
    image = photo().convert(mode)
    decoded = decode(encoded(image, "BMP"), limits=DecodeLimits())
    assert distance(decoded.image, image.convert("RGB")) == 0
    assert decoded.unjudged is None


def test_profile_in_a_bitmap_counts() -> None:
    data = BITMAPS["BMP, profile swapped channels"]
    assert len(read_bmp_color(data).profile or b"") > 128
    plain = decode(BITMAPS["BMP"], limits=DecodeLimits()).image
    assert distance(decode(data, limits=DecodeLimits()).image, plain) > 50


@pytest.mark.parametrize("name", ["BMP", "BMP, sRGB", "BMP, calibrated, gamma 0.2"])
def test_bitmap_without_a_profile_is_srgb(name: str) -> None:
    assert read_bmp_color(BITMAPS[name]).profile is None


def test_cut_header_is_no_error_of_this_check() -> None:
    data = encoded(Image.new("RGB", (40, 40)), "BMP")
    for end in range(2, 60, 3):
        with pytest.raises(ImageRejected):
            decode(data[:end], limits=DecodeLimits())


def test_alpha_channel_of_16_bits_goes_to_a_reviewer() -> None:
    assert decode(BITMAPS["BMP, 16 bit, alpha"], limits=DecodeLimits()).unjudged == "color"
