import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.decode import Decoded, decode
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.pictures import distance, encoded, photo, png_that_pillow_warns_of

LIMITS = DecodeLimits()
STILL = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"]


def reason(data: bytes, limits: DecodeLimits = LIMITS, short_side: int | None = None) -> str:
    with pytest.raises(ImageRejected) as caught:
        decode(data, limits=limits, short_side=short_side)
    return caught.value.reason.value


def outcome(data: bytes, short_side: int | None = None) -> Decoded | QuarantineReason:
    try:
        return decode(data, limits=LIMITS, short_side=short_side)
    except ImageRejected as rejected:
        return rejected.reason


@pytest.mark.parametrize("file_format", STILL)
def test_decode_reads_each_accepted_format(file_format: str) -> None:
    decoded = decode(encoded(photo(), file_format), limits=LIMITS)
    assert (decoded.format, decoded.width, decoded.height) == (file_format, 160, 120)
    assert (decoded.image.mode, decoded.image.size) == ("RGB", (160, 120))
    assert distance(decoded.image, photo()) < 12  # GIF, with 256 colors, is the coarsest


# --- rejected before a pixel is decoded


def test_decode_rejects_empty_bytes() -> None:
    assert reason(b"") == "empty"


def test_decode_rejects_one_byte_over_the_limit() -> None:
    data = encoded(photo(), "JPEG")
    decode(data, limits=DecodeLimits(max_bytes=len(data)))
    assert reason(data, DecodeLimits(max_bytes=len(data) - 1)) == "too_many_bytes"


def test_decode_rejects_one_pixel_over_the_limit() -> None:
    data = encoded(photo(), "PNG")
    decode(data, limits=DecodeLimits(max_pixels=160 * 120))
    assert reason(data, DecodeLimits(max_pixels=160 * 120 - 1)) == "too_many_pixels"


@pytest.mark.parametrize("side", [12_000, 30_000])
def test_decompression_bomb_is_rejected_by_its_header(side: int) -> None:
    """Below and above the number of pixels at which Pillow itself raises; no pixel data at all."""
    body = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 9) + b"IDAT" + b"x" * 9
    assert reason(data) == "too_many_pixels"


def test_max_pixels_cannot_exceed_pillows_limit() -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        DecodeLimits(max_pixels=200_000_000)


@pytest.mark.parametrize("size", [(31, 400), (400, 31)])
def test_decode_rejects_a_short_side_below_the_limit(size: tuple[int, int]) -> None:
    assert reason(encoded(photo(*size), "PNG")) == "too_small"
    assert decode(encoded(photo(32, 400), "PNG"), limits=LIMITS).width == 32


@pytest.mark.parametrize("data", [b"\x00" * 100, b"hello, world", b"<html>", b"PK\x03\x04" * 20])
def test_bytes_without_magic_bytes_are_not_an_image(data: bytes) -> None:
    assert reason(data) == "not_an_image"


@pytest.mark.parametrize("file_format", ["TIFF", "JPEG2000", "ICO", "PPM"])
def test_other_image_formats_are_unsupported(file_format: str) -> None:
    assert reason(encoded(photo(), file_format)) == "unsupported_format"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF"])
def test_magic_bytes_without_a_header_are_corrupt(file_format: str) -> None:
    head = encoded(photo(), file_format)[:8]
    assert reason(head + b"\x00" * 100) == "corrupt"


# --- several frames


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animation_is_its_first_frame_and_says_so(file_format: str) -> None:
    data = encoded(photo(), file_format, save_all=True, append_images=[photo(seed=1)])
    decoded = decode(data, limits=LIMITS)
    still = decode(encoded(photo(), file_format), limits=LIMITS)
    assert (decoded.frames, len(decoded.views)) == (2, 1)
    assert distance(decoded.image, still.image) < 3


@pytest.mark.parametrize("short_side", [None, 16])
def test_mpo_is_decoded_to_its_primary_picture(short_side: int | None) -> None:
    data = encoded(photo(), "MPO", save_all=True, append_images=[photo(seed=1)])
    decoded = decode(data, limits=LIMITS, short_side=short_side)
    assert (decoded.format, decoded.width, decoded.height) == ("JPEG", 160, 120)
    assert distance(decoded.image, photo().resize(decoded.image.size)) < 8


# --- broken bytes


@settings(deadline=None, max_examples=150)
@given(
    size=st.tuples(st.integers(32, 90), st.integers(32, 90)),
    options=st.fixed_dictionaries(
        {"progressive": st.booleans(), "subsampling": st.sampled_from(["4:4:4", "4:2:0"])}
    ),
    short_side=st.sampled_from([None, 8, 20]),
    kept=st.floats(0, 1, exclude_max=True),
    tail=st.none() | st.integers(1, 8),
)
def test_truncated_jpeg_is_rejected_or_complete(
    size: tuple[int, int],
    options: dict[str, bool | str],
    short_side: int | None,
    kept: float,
    tail: int | None,
) -> None:
    """Only the end marker (two bytes) may be missing: no pixel depends on it."""
    data = encoded(photo(*size), "JPEG", **options)
    beginning = data[: -tail if tail else max(1, int(len(data) * kept))]
    got = outcome(beginning, short_side)
    if isinstance(got, Decoded):
        assert len(data) - len(beginning) <= 2
        assert distance(got.image, decode(data, limits=LIMITS, short_side=short_side).image) == 0


@pytest.mark.parametrize("file_format", STILL)
@pytest.mark.parametrize("kept", [0.5, 0.9, 0.97])
def test_truncated_file_is_rejected(file_format: str, kept: float) -> None:
    data = encoded(photo(), file_format)
    got = reason(data[: int(len(data) * kept)])
    # AVIF and HEIF have their tables at the front; without them the file is "corrupt".
    may_differ = file_format in {"AVIF", "HEIF"}
    assert got in ({"truncated", "corrupt"} if may_differ else {"truncated"})


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400), st.sampled_from([None, 16]))
@example(b"BM", None)
@example(b"\xff\xd8\xff", 16)
def test_random_bytes_are_decoded_or_rejected(data: bytes, short_side: int | None) -> None:
    outcome(data, short_side)


@settings(deadline=None, max_examples=300)
@given(
    file_format=st.sampled_from(STILL),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    near_the_head=st.booleans(),
)
def test_damaged_file_is_decoded_or_rejected(
    file_format: str, flips: list[tuple[float, int]], near_the_head: bool
) -> None:
    data = bytearray(encoded(photo(48, 40), file_format))
    for place, value in flips:
        data[int(place * (min(len(data), 300) if near_the_head else len(data)))] = value
    outcome(bytes(data), 16)


def test_picture_without_pixel_data_is_corrupt() -> None:
    data = encoded(photo(), "PNG")
    assert reason(data[:33] + data[-12:]) == "corrupt"  # IHDR and IEND only


def test_every_decoder_exception_becomes_a_rejection() -> None:
    data = encoded(photo(), "PNG")
    with pytest.raises(ImageRejected) as caught:
        decode(data[: len(data) // 2], limits=LIMITS)
    assert isinstance(caught.value.__cause__, OSError)
    assert "OSError" in caught.value.detail


# --- scale


@pytest.mark.parametrize(
    ("short_side", "size"),
    [(None, (1600, 1200)), (100, (200, 150)), (101, (400, 300)), (800, (1600, 1200))],
)
def test_jpeg_is_decoded_at_the_smallest_sufficient_scale(
    short_side: int | None, size: tuple[int, int]
) -> None:
    """150 pixels are 1.5 times 100, but less than 1.5 times 101."""
    data = encoded(photo(1600, 1200), "JPEG")
    decoded = decode(data, limits=LIMITS, short_side=short_side)
    assert decoded.image.size == size
    assert (decoded.width, decoded.height) == (1600, 1200)


def test_reduced_decode_resembles_the_full_one() -> None:
    data = encoded(photo(1600, 1200), "JPEG")
    full = decode(data, limits=LIMITS).image
    reduced = decode(data, limits=LIMITS, short_side=100).image
    side = (133, 100)
    assert distance(full.resize(side), reduced.resize(side)) < 1


def test_formats_other_than_jpeg_are_decoded_at_full_size() -> None:
    decoded = decode(encoded(photo(), "PNG"), limits=LIMITS, short_side=16)
    assert decoded.image.size == (160, 120)


# --- pixel modes, through real files


def test_cmyk_jpeg_keeps_its_colors() -> None:
    """Pillow writes CMYK inverted, as Adobe does: without inversion it would be a negative."""
    decoded = decode(encoded(photo().convert("CMYK"), "JPEG", quality=95), limits=LIMITS)
    assert distance(decoded.image, photo()) < 8


def test_16_bit_gray_png_is_scaled() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64, dtype=np.uint16), (48, 1))
    decoded = decode(encoded(Image.fromarray(ramp), "PNG"), limits=LIMITS)
    np.testing.assert_array_equal(np.asarray(decoded.image)[..., 1], ramp >> 8)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_transparent_palette_file_is_composited_over_white(file_format: str) -> None:
    source = Image.new("P", (64, 48), 1)
    source.putpalette([0, 0, 0, 200, 30, 30])
    source.paste(0, (0, 0, 32, 48))
    decoded = decode(encoded(source, file_format, transparency=0), limits=LIMITS)
    assert decoded.image.getpixel((5, 5)) == (255, 255, 255)
    assert decoded.image.getpixel((60, 5)) == (200, 30, 30)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF", "HEIF"])
def test_alpha_file_is_composited_over_white(file_format: str) -> None:
    source = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    decoded = decode(encoded(source, file_format), limits=LIMITS)
    assert np.asarray(decoded.image).min() >= 250


# --- threads and process state


def test_decode_gives_equal_pixels_in_a_thread_pool() -> None:
    """Warnings are errors, and some of the files make Pillow warn."""
    files = [encoded(photo(seed=i), STILL[i % len(STILL)]) for i in range(24)]
    files += [png_that_pillow_warns_of()] * 8
    alone = [decode(data, limits=LIMITS).image.tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda data: decode(data, limits=LIMITS).image.tobytes(), files * 4)
    assert list(together) == alone * 4


def test_decoded_picture_owns_its_pixels() -> None:
    """A queued picture keeps no file handle, decoder or metadata alive."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    image = decode(encoded(photo(), "WEBP", exif=exif), limits=LIMITS).image
    assert type(image) is Image.Image
    assert image.info == {}
    assert image.getexif() == {}
