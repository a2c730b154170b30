import io
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from ml.core.errors import ImageRejected
from ml.vision.images.decode_errors import claimed_format, map_decode_errors, silence_pillow
from tests.unit.vision.images.pictures import encoded, photo, png_that_pillow_warns_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("image file is truncated (3 bytes not processed)"), "truncated"),
        (ValueError("not enough image data"), "truncated"),
        (EOFError(), "truncated"),
        (OSError("broken data stream when reading image file"), "corrupt"),
        (struct.error("unpack requires a buffer of 4 bytes"), "corrupt"),
        (UserWarning("turned into an error by somebody's filter"), "corrupt"),
        (Image.DecompressionBombError("too large"), "too_many_pixels"),
        (MemoryError(), "too_many_pixels"),
    ],
)
def test_map_decode_errors_maps_each_error_to_a_reason(error: Exception, reason: str) -> None:
    with pytest.raises(ImageRejected) as caught, map_decode_errors(b"data"):
        raise error
    assert caught.value.reason.value == reason
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(("missing", "reason"), [(0, "corrupt"), (1, "truncated")])
def test_webp_shorter_than_declared_is_truncated(missing: int, reason: str) -> None:
    data = b"RIFF" + struct.pack("<I", 20) + b"WEBP" + b"x" * (16 - missing)
    with pytest.raises(ImageRejected) as caught, map_decode_errors(data):
        raise OSError("could not create decoder object")
    assert caught.value.reason.value == reason


def test_detail_of_a_decode_error_is_one_short_line() -> None:
    with pytest.raises(ImageRejected) as caught, map_decode_errors(b"data"):
        raise OSError("first\nsecond " + "x" * 1000)
    assert caught.value.detail.startswith("OSError: first second x")
    assert len(caught.value.detail) == 200


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_map_decode_errors_lets_base_exceptions_through(error: BaseException) -> None:
    with pytest.raises(type(error)), map_decode_errors(b"data"):
        raise error


@pytest.mark.parametrize(
    "file_format",
    ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "TIFF", "JPEG2000", "ICO", "PPM", "DDS", "SGI"],
)
def test_claimed_format_of_real_files(file_format: str) -> None:
    assert claimed_format(encoded(photo(), file_format)) == file_format


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIF"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00", "HEIF"),
        (b"\xff\x0a\x00\x10", "JPEG XL"),
        (b"8BPS\x00\x01", "PSD"),
    ],
)
def test_claimed_format_of_formats_that_pillow_cannot_write(head: bytes, name: str) -> None:
    assert claimed_format(head) == name


@pytest.mark.parametrize("data", [b"", b"\xff", b"hello, world", b"\x00" * 64, b"PK\x03\x04"])
def test_claimed_format_of_other_bytes_is_none(data: bytes) -> None:
    assert claimed_format(data) is None


def test_pillow_warns_without_silence_pillow() -> None:
    with pytest.warns(UserWarning, match="APNG"):
        Image.open(io.BytesIO(png_that_pillow_warns_of()))


def test_silence_pillow_overrides_warnings_as_errors() -> None:
    silence_pillow()
    assert Image.open(io.BytesIO(png_that_pillow_warns_of())).size == (160, 120)


def test_silence_pillow_keeps_other_warnings() -> None:
    silence_pillow()
    with pytest.raises(UserWarning, match="ours"):
        warnings.warn("ours", UserWarning, stacklevel=1)


def test_silence_pillow_reinstalls_a_dropped_filter() -> None:
    with warnings.catch_warnings():
        silence_pillow()
        warnings.simplefilter("error")
        silence_pillow()
        assert Image.open(io.BytesIO(png_that_pillow_warns_of())).size == (160, 120)


def test_silence_pillow_adds_one_filter_from_many_threads() -> None:
    before = len(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: silence_pillow(), range(200)))
    assert len(warnings.filters) == before + 1
