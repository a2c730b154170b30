"""Names of exported photos."""

import pytest

from ml.learning.labels.export_photos import file_extension


@pytest.mark.parametrize(
    ("start", "extension"),
    [
        (b"\xff\xd8\xff\xe0", "jpg"),
        (b"\x89PNG\r\n", "png"),
        (b"GIF89a", "gif"),
        (b"BM1234", "bmp"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"\0\0\0\x1cftypheic", "heic"),
        (b"\0\0\0\x1cftypmif1", "heic"),
        (b"\0\0\0\x1cftypavif", "avif"),
        (b"../", "bin"),
        (b"", "bin"),
    ],
)
def test_extension_follows_from_the_bytes(start: bytes, extension: str) -> None:
    assert file_extension(start) == extension
