"""Run lengths of BMP files, which are decoded in Python, are bounded; other files pass."""

import struct

import pytest

from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.decoder_input import decoder_input
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.pictures import encoded, photo


def run_length_bmp(width: int, height: int, body: bytes) -> bytes:
    """A picture of 256 grays, compressed by run lengths."""
    colors = b"".join(bytes([gray, gray, gray, 0]) for gray in range(256))
    start = 14 + 40 + len(colors)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + info + colors + body


def test_small_run_length_picture_is_decoded() -> None:
    rows = bytes([64, 200, 0, 0]) * 48 + bytes([0, 1])
    picture = decode(run_length_bmp(64, 48, rows), limits=DecodeLimits()).image
    assert picture.getpixel((0, 0)) == (200, 200, 200)


@pytest.mark.parametrize(
    "data",
    [
        run_length_bmp(4000, 4000, bytes([0, 1])),  # ends of rows, filled pixel by pixel
        run_length_bmp(64, 48, bytes([0, 0]) * 100_000),  # runs of no pixel
        run_length_bmp(4000, -4000, bytes([0, 1])),
    ],
)
def test_many_run_lengths_are_rejected_before_decoding(data: bytes) -> None:
    with pytest.raises(ImageRejected, match="too_costly"):
        decode(data, limits=DecodeLimits())


@pytest.mark.parametrize("file_format", ["BMP", "WEBP", "AVIF"])
def test_other_files_pass_unchanged(file_format: str) -> None:
    data = encoded(photo(), file_format)
    assert decoder_input(data, max_pixels=1) == data
