"""Names of exported photos."""

import pytest

from ml.learning.labels.export_photos import EXTENSIONS, file_extension


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


def test_present_files_are_looked_for_by_every_extension() -> None:
    starts = (
        b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"RIFF0000WEBP", b"0000ftypavif", b"0000ftypheic",
        b"?",
    )  # fmt: skip
    assert {file_extension(start) for start in starts} == set(EXTENSIONS)
