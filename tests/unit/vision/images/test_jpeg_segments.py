"""A JPEG reaches the decoder without metadata, and not at all with too many scans."""

import io
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.jpeg_segments import strip_jpeg
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.pictures import damaged, encoded, photo

LIMITS = DecodeLimits()
MAX_PIXELS = 100_000_000
CASES = Path(os.environ.get("MODERATION_CASES", Path(__file__).parents[5] / "shared" / "cases"))
needs_cases = pytest.mark.skipif(
    not (CASES / "scans_500.jpg").is_file(), reason="needs the folder of cases: MODERATION_CASES"
)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return segment(0xE1, b"Exif\x00\x00" + block.tobytes()[6:])


def pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).tobytes()


def repeat_last_scan(data: bytes, times: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each refines nothing."""
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * times + data[-2:]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_picture_stays_and_metadata_go(mode: str, progressive: bool) -> None:
    data = encoded(photo().convert(mode), "JPEG", progressive=progressive)
    noise = segment(0xFE, b"comment") + segment(0xE2, b"ICC_PROFILE\x00") + segment(0xED, b"x" * 99)
    with_metadata = data[:2] + noise + data[2:]
    stripped = strip_jpeg(with_metadata, max_pixels=MAX_PIXELS)
    assert stripped == strip_jpeg(data, max_pixels=MAX_PIXELS)
    assert pixels(stripped) == pixels(data)


def test_first_exif_block_alone_is_kept() -> None:
    data = encoded(photo(), "JPEG")
    many = data[:2] + exif(6) + exif(3) * 5000 + data[2:]
    stripped = strip_jpeg(many, max_pixels=MAX_PIXELS)
    assert stripped.count(b"Exif") == 1
    assert (decode(many, limits=LIMITS).width, decode(many, limits=LIMITS).height) == (120, 160)


def test_orientation_in_xmp_alone_does_not_count() -> None:
    packet = b'http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta tiff:Orientation="6"/>'
    data = encoded(photo(), "JPEG")
    assert decode(data[:2] + segment(0xE1, packet) + data[2:], limits=LIMITS).width == 160


def test_orientation_in_xmp_of_a_webp_does_not_count() -> None:
    packet = b'<x:xmpmeta tiff:Orientation="6"/>'
    assert decode(encoded(photo(), "WEBP", xmp=packet), limits=LIMITS).width == 160


def test_what_follows_the_picture_goes() -> None:
    data = encoded(photo(), "JPEG")
    assert strip_jpeg(data + b"appended" + data, max_pixels=MAX_PIXELS).endswith(b"\xff\xd9")
    assert len(strip_jpeg(data + data, max_pixels=MAX_PIXELS)) <= len(data)


def test_scans_are_bounded_by_the_pixels_that_they_pass_over() -> None:
    data = encoded(photo(), "JPEG", progressive=True)
    scans = data.count(b"\xff\xda")
    allowed = repeat_last_scan(data, 20 - scans)
    assert strip_jpeg(allowed, max_pixels=160 * 120).count(b"\xff\xda") == 20
    with pytest.raises(ImageRejected, match="too_costly: 21 or more scans of 19200 pixels"):
        strip_jpeg(repeat_last_scan(data, 21 - scans), max_pixels=160 * 120)


@settings(deadline=None)
@given(
    cut=st.floats(0, 1), junk=st.binary(max_size=40), progressive=st.booleans(), at=st.floats(0, 1)
)
def test_damaged_file_is_no_error(cut: float, junk: bytes, progressive: bool, at: float) -> None:
    data = encoded(photo(64, 48), "JPEG", progressive=progressive)
    with suppress(ImageRejected):  # damage can declare a picture of any size
        strip_jpeg(damaged(data, junk, at=at, cut=cut), max_pixels=MAX_PIXELS)


@needs_cases
def test_hundreds_of_scans_are_rejected_before_decoding() -> None:
    with pytest.raises(ImageRejected, match="too_costly"):
        decode((CASES / "scans_500.jpg").read_bytes(), limits=LIMITS)


@needs_cases
def test_exif_in_thousands_of_segments_is_reduced_to_the_first() -> None:
    data = (CASES / "exif_150kB.jpg").read_bytes()
    assert strip_jpeg(data, max_pixels=MAX_PIXELS).count(b"Exif") == 1
    decode(data, limits=LIMITS)


@needs_cases
def test_upright_photo_with_an_orientation_in_xmp_stays_upright() -> None:
    decoded = decode((CASES / "xmp_orientation_3.jpg").read_bytes(), limits=LIMITS)
    stored = Image.open(CASES / "xmp_orientation_3.jpg").convert("RGB")
    assert decoded.image.tobytes() == stored.tobytes()
