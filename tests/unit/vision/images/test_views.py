"""The views of a photo: frames, backgrounds, and the parts of a strip."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ml.vision.images.decode import Decoded, decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.views import MAX_VIEWS, Unjudged, cut_parts
from tests.unit.vision.images.animations import ANIMATED, animated, marked
from tests.unit.vision.images.pictures import encoded, photo

LIMITS = DecodeLimits()


def decoded(data: bytes, limits: DecodeLimits = LIMITS) -> Decoded:
    return decode(data, limits=limits, all_views=True)


def sticker(color: int = 255, alpha: int = 0) -> Image.Image:
    """A bright or dark bar on a transparent background."""
    picture = Image.new("RGBA", (160, 120), (color, color, color, alpha))
    ImageDraw.Draw(picture).rectangle((40, 50, 120, 70), fill=(color, color, color, 255))
    return picture


def test_ordinary_photo_has_one_view_that_is_its_picture() -> None:
    found = decoded(encoded(photo(), "JPEG"))
    assert (len(found.views), found.unjudged) == (1, None)
    assert found.views[0].image is found.image


@pytest.mark.parametrize("file_format", ANIMATED)
@pytest.mark.parametrize("where", [0, 3, 6])
def test_frame_that_differs_is_a_view(file_format: str, where: int) -> None:
    frames = [photo(seed=n) for n in range(7)]
    frames[where] = marked(seed=where)
    found = decoded(animated(frames, file_format))
    assert found.frames == 7
    views = {view.frame: view.image for view in found.views}
    dark = {frame: np.asarray(image)[30, 30].max() < 60 for frame, image in views.items()}
    assert dark[where]
    assert sum(dark.values()) == 1


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("color", [255, 0])
def test_transparent_picture_is_seen_over_both_grounds(file_format: str, color: int) -> None:
    """What the white background hides shows on the black one, and the other way round."""
    found = decoded(encoded(sticker(color), file_format))
    assert [view.background for view in found.views] == ["white", "black"]
    gray = {view.background: np.asarray(view.image.convert("L"), int) for view in found.views}
    contrast = {background: np.ptp(pixels) for background, pixels in gray.items()}
    hidden, shown = ("white", "black") if color else ("black", "white")
    assert contrast[hidden] < 10
    assert contrast[shown] > 240


def test_opaque_picture_with_an_alpha_channel_has_one_view() -> None:
    picture = photo()
    picture.putalpha(255)
    assert len(decoded(encoded(picture, "PNG")).views) == 1


@pytest.mark.parametrize(
    "picture",
    [
        sticker().convert("LA"),
        sticker().quantize(),
        sticker(alpha=120),
    ],
    ids=["gray with alpha", "palette", "half transparent"],
)
def test_kinds_of_transparency_have_both_grounds(picture: Image.Image) -> None:
    assert [v.background for v in decoded(encoded(picture, "PNG")).views] == ["white", "black"]


def test_transparent_animation_shows_its_frames_on_both_grounds_within_the_bound() -> None:
    frames = [Image.new("RGBA", (64, 64), (n * 30, 255 - n * 30, 0, n * 20)) for n in range(8)]
    views = decoded(animated(frames, "PNG")).views
    assert len(views) <= MAX_VIEWS
    assert {view.frame for view in views} >= {0, 4, 7}
    assert len([v for v in views if v.background == "white"]) == len(views) // 2 >= 3


@pytest.mark.parametrize(
    ("size", "parts", "unjudged"),
    [
        ((300, 100), 1, None),
        ((310, 100), 4, None),
        ((100, 700), 7, None),
        ((1200, 100), 12, None),
        ((1201, 100), 12, Unjudged.STRIP),
        ((40, 4000), 12, Unjudged.STRIP),
    ],
)
def test_strip_is_cut_into_parts(
    size: tuple[int, int], parts: int, unjudged: Unjudged | None
) -> None:
    found = decoded(encoded(photo(*size), "PNG"))
    assert [view.part for view in found.views] == list(range(parts))
    assert found.unjudged is unjudged
    assert found.image.size == size


@pytest.mark.parametrize("count", range(2, MAX_VIEWS + 1))
@pytest.mark.parametrize("size", [(997, 31), (31, 997)])
def test_parts_cover_the_whole_picture_and_overlap(count: int, size: tuple[int, int]) -> None:
    ramp = np.arange(997, dtype=np.int32)
    axis = ramp if size[0] > size[1] else ramp[:, None]
    picture = Image.fromarray(np.broadcast_to(axis, size[::-1]).copy())
    parts = [set(np.unique(np.asarray(part)).tolist()) for part in cut_parts(picture, count)]
    assert len(parts) == count
    assert set.union(*parts) == set(range(997))
    assert all(a & b for a, b in pairwise(parts))


def test_transparent_strip_has_fewer_parts_and_goes_to_review() -> None:
    strip = Image.new("RGBA", (700, 100), (0, 0, 0, 0))
    found = decoded(encoded(strip, "PNG"))
    assert len(found.views) == MAX_VIEWS
    assert found.unjudged is Unjudged.STRIP


def test_frames_beyond_the_limit_go_to_review() -> None:
    limits = DecodeLimits(max_pixels=3 * 160 * 120)
    found = decoded(animated([photo(seed=n) for n in range(5)], "GIF"), limits)
    assert found.unjudged is Unjudged.FRAMES
    assert max(view.frame for view in found.views) == 2
