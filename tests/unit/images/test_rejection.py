import struct

import pytest
from PIL import Image

from ml.errors import ImageRejected
from ml.images.rejection import rejecting


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
def test_error_becomes_a_reason(error: Exception, reason: str) -> None:
    with pytest.raises(ImageRejected) as caught, rejecting(b"data"):
        raise error
    assert caught.value.reason.value == reason
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(("missing", "reason"), [(0, "corrupt"), (1, "truncated")])
def test_webp_ends_early_by_its_declared_size(missing: int, reason: str) -> None:
    data = b"RIFF" + struct.pack("<I", 20) + b"WEBP" + b"x" * (16 - missing)
    with pytest.raises(ImageRejected) as caught, rejecting(data):
        raise OSError("could not create decoder object")
    assert caught.value.reason.value == reason


def test_detail_is_one_short_line() -> None:
    with pytest.raises(ImageRejected) as caught, rejecting(b"data"):
        raise OSError("first\nsecond " + "x" * 1000)
    assert caught.value.detail.startswith("OSError: first second x")
    assert len(caught.value.detail) == 200


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_what_ends_the_process_passes_through(error: BaseException) -> None:
    with pytest.raises(type(error)), rejecting(b"data"):
        raise error
