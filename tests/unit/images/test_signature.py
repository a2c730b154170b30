import pytest

from ml.images.signature import claimed_format
from tests.unit.images.pictures import encoded, photo


@pytest.mark.parametrize(
    "file_format",
    ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "TIFF", "JPEG2000", "ICO", "PPM", "DDS", "SGI"],
)
def test_names_the_format_of_real_files(file_format: str) -> None:
    assert claimed_format(encoded(photo(), file_format)) == file_format


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00", "HEIF"),
        (b"\xff\x0a\x00\x10", "JPEG XL"),
        (b"8BPS\x00\x01", "PSD"),
    ],
)
def test_names_formats_that_nothing_here_can_write(head: bytes, name: str) -> None:
    assert claimed_format(head) == name


@pytest.mark.parametrize("data", [b"", b"\xff", b"hello, world", b"\x00" * 64, b"PK\x03\x04"])
def test_claims_nothing_for_other_bytes(data: bytes) -> None:
    assert claimed_format(data) is None
