"""A GIF reaches the decoder without comments, and with a bounded number of pictures."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.vision.images.gif_blocks import strip_gif
from tests.unit.vision.images.pictures import damaged, encoded, photo

TABLE_END = 13 + 3 * 256
SMALL = encoded(photo(64, 48), "GIF")


def strip(data: bytes, max_pictures: int = 10) -> bytes:
    return strip_gif(data, max_pictures=max_pictures)


def pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).convert("RGBA").tobytes()


@pytest.mark.parametrize("options", [{}, {"transparency": 5}, {"interlace": False}])
def test_picture_stays_and_comments_go(options: dict[str, object]) -> None:
    data = encoded(photo(), "GIF", **options)
    comment = b"!\xfe" + (b"\xff" + b"c" * 255) * 4000 + b"\x00"
    with_comment = data[:TABLE_END] + comment + data[TABLE_END:]
    assert strip(with_comment) == strip(data)
    assert pixels(strip(with_comment)) == pixels(data)


def animation(frames: int) -> bytes:
    others = [photo(seed=n) for n in range(1, frames)]
    return encoded(photo(), "GIF", save_all=True, append_images=others, transparency=5)


@pytest.mark.parametrize(("max_pictures", "kept"), [(10, 4), (4, 4), (3, 3), (1, 1)])
def test_only_the_first_pictures_stay(max_pictures: int, kept: int) -> None:
    data = animation(4)
    image = Image.open(io.BytesIO(strip(data, max_pictures)))
    assert image.n_frames == kept
    whole = Image.open(io.BytesIO(data))
    for frame in range(kept):
        image.seek(frame)
        whole.seek(frame)
        assert image.convert("RGBA").tobytes() == whole.convert("RGBA").tobytes()


def test_what_follows_the_picture_goes() -> None:
    data = encoded(photo(), "GIF")
    assert strip(data + data) == strip(data)


@settings(deadline=None)
@given(cut=st.floats(0, 1), junk=st.binary(max_size=40), at=st.floats(0, 1))
def test_damaged_file_raises_nothing(cut: float, junk: bytes, at: float) -> None:
    strip(damaged(SMALL, junk, at=at, cut=cut))
