"""A PNG reaches the decoder without metadata, and not at all with a second picture."""

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.png_chunks import strip_png
from tests.unit.vision.images.pictures import damaged, encoded, photo

LIMITS = DecodeLimits()
CASES = Path(os.environ.get("MODERATION_CASES", Path(__file__).parents[5] / "shared" / "cases"))
needs_cases = pytest.mark.skipif(
    not (CASES / "big_text_chunk.png").is_file(),
    reason="needs the folder of cases: MODERATION_CASES",
)
AFTER_HEADER = 33  # signature and IHDR
SMALL = encoded(photo(64, 48), "PNG")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def insert(data: bytes, *chunks: bytes) -> bytes:
    return data[:AFTER_HEADER] + b"".join(chunks) + data[AFTER_HEADER:]


def pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_picture_stays_and_metadata_go(mode: str) -> None:
    picture = Image.new("I;16", (64, 48), 40_000) if mode == "I;16" else photo().convert(mode)
    data = encoded(picture, "PNG")
    text = zlib.compress(b"x" * 1_200_000)
    with_metadata = insert(data, chunk(b"zTXt", b"k\x00\x00" + text), chunk(b"tIME", bytes(7)))
    assert strip_png(with_metadata) == strip_png(data)
    assert pixels(strip_png(data)) == pixels(data)
    decode(with_metadata, limits=LIMITS)


def test_transparent_color_and_orientation_are_kept() -> None:
    block = Image.Exif()
    block[0x0112] = 6
    data = encoded(photo().convert("P"), "PNG", transparency=3, exif=block)
    stripped = strip_png(data)
    assert b"tRNS" in stripped
    assert decode(data, limits=LIMITS).width == 120


def test_thousands_of_pixel_chunks_become_one() -> None:
    data = encoded(photo(), "PNG")
    start = data.index(b"IDAT") - 4
    end = data.index(b"IEND") - 4
    body = data[start + 8 : end - 4]
    many = b"".join(chunk(b"IDAT", body[i : i + 1]) for i in range(len(body)))
    cut = data[:start] + many + data[end:]
    assert strip_png(cut) == strip_png(data)


def test_pixels_after_another_chunk_are_ignored_as_by_the_decoder() -> None:
    data = encoded(photo(), "PNG")
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    body = data[start + 8 : end - 4]
    parts = [chunk(b"IDAT", body[:50]), chunk(b"tEXt", b"k\x00v"), chunk(b"IDAT", body[50:])]
    with pytest.raises(ImageRejected, match="truncated"):
        decode(data[:start] + b"".join(parts) + data[end:], limits=LIMITS)


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"acTL", struct.pack(">II", 2, 0))],
        [chunk(b"acTL", struct.pack(">II", 1, 0))] * 2,
        [chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"tEXt", b""), chunk(b"acTL", bytes(8))],
        [chunk(b"fdAT", bytes(9))],
    ],
)
def test_second_picture_or_its_announcement_is_rejected(chunks: list[bytes]) -> None:
    with pytest.raises(ImageRejected, match="animated"):
        decode(insert(encoded(photo(), "PNG"), *chunks), limits=LIMITS)


@settings(deadline=None)
@given(cut=st.floats(0, 1), junk=st.binary(max_size=40), at=st.floats(0, 1))
def test_damaged_file_raises_no_other_error(cut: float, junk: bytes, at: float) -> None:
    try:
        strip_png(damaged(SMALL, junk, at=at, cut=cut))
    except ImageRejected as rejected:
        assert rejected.reason == "animated"  # noqa: PT017 - most files are not rejected


@needs_cases
def test_photo_with_a_large_text_chunk_is_decoded() -> None:
    assert decode((CASES / "big_text_chunk.png").read_bytes(), limits=LIMITS).width == 800


@needs_cases
def test_two_animation_headers_are_an_animation() -> None:
    with pytest.raises(ImageRejected, match="animated"):
        decode((CASES / "pillow_chunk_multi_actl.png").read_bytes(), limits=LIMITS)
