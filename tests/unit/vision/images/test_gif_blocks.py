"""A GIF reaches the decoder without comments, and not at all with a second picture."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.gif_blocks import strip_gif
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.pictures import damaged, encoded, photo

TABLE_END = 13 + 3 * 256
SMALL = encoded(photo(64, 48), "GIF")


def pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).convert("RGBA").tobytes()


@pytest.mark.parametrize("options", [{}, {"transparency": 5}, {"interlace": False}])
def test_picture_stays_and_comments_go(options: dict[str, object]) -> None:
    data = encoded(photo(), "GIF", **options)
    comment = b"!\xfe" + (b"\xff" + b"c" * 255) * 4000 + b"\x00"
    with_comment = data[:TABLE_END] + comment + data[TABLE_END:]
    assert strip_gif(with_comment) == strip_gif(data)
    assert pixels(strip_gif(with_comment)) == pixels(data)


def test_second_picture_is_rejected_without_decoding() -> None:
    data = encoded(photo(), "GIF", save_all=True, append_images=[photo(seed=1)])
    with pytest.raises(ImageRejected, match="animated"):
        decode(data, limits=DecodeLimits())


def test_what_follows_the_picture_goes() -> None:
    data = encoded(photo(), "GIF")
    assert strip_gif(data + data) == strip_gif(data)


@settings(deadline=None)
@given(cut=st.floats(0, 1), junk=st.binary(max_size=40), at=st.floats(0, 1))
def test_damaged_file_raises_no_other_error(cut: float, junk: bytes, at: float) -> None:
    try:
        strip_gif(damaged(SMALL, junk, at=at, cut=cut))
    except ImageRejected as rejected:
        assert rejected.reason == "animated"  # noqa: PT017 - most files are not rejected
