"""Decode the bytes of an object into RGB pictures, or reject them with a reason."""

import math
import zlib
from dataclasses import dataclass

from PIL import Image

from ml.vision.images.color_profile import convert_to_srgb
from ml.vision.images.decode_errors import map_decode_errors, silence_pillow
from ml.vision.images.frames import Frame, choose_frames, count_readable
from ml.vision.images.open_photo import DecodeLimits, OpenedPhoto, check_bytes, open_photo
from ml.vision.images.upright_rgb import (
    apply_orientation,
    flatten,
    read_orientation,
    to_8_bits,
    upright_size,
)
from ml.vision.images.views import MAX_FRAMES, Unjudged, View, count_parts, make_views

# Number of the rules by which the judged pixels follow from a file, for replays: it grows with each
# change. 2 added color profiles and views.
DECODING = "2"

# A JPEG is decoded at a scale that leaves this many times the requested short side. Measured on
# four photos enlarged to 12 MP, at a short side of 256, versus a decode at full size: the maximum
# difference of a pixel is 23 of 255 levels without headroom and 8 with it, at a cost of 3 ms of 50.
DRAFT_HEADROOM = 1.5

# A JPEG may be decoded at a scale that leaves this share of the long side for the screens: with all
# of it, square photos of 2 to 2.5 megapixels are decoded at full size: 11.3 ms instead of 7.5.
_MIN_LONG_SIDE = 0.88

# A pixel of a full decode takes as much memory as this many pixels' coefficients.
_PROGRESSIVE = 4


@dataclass(frozen=True)
class Decoded:
    """One photo: its first frame, upright, RGB and over white; and its views, see `ml...views`.

    `width` and `height` are pixels of the original, after its orientation was applied; `image`
    is smaller if it was decoded at a reduced scale. `format` is Pillow's name. `unjudged` says why
    the views do not show all that a buyer may see.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    frames: int
    views: tuple[View, ...]
    unjudged: Unjudged | None


def decode(
    data: bytes,
    *,
    limits: DecodeLimits,
    short_side: int | None = None,
    long_side: int | None = None,
    all_views: bool = False,
) -> Decoded:
    """Decode one photo completely, to RGB and upright. Thread-safe.

    The limits are checked on bytes and header, before any pixel is decoded. An unreadable EXIF
    block counts as upright. Without `all_views` the only view is the first frame.

    If `short_side` says how many pixels the caller needs there, a JPEG is decoded at the smallest
    of the scales 1/1, 1/2, 1/4, 1/8 that leaves `DRAFT_HEADROOM` times as many, which saves half of
    the time; the caller resizes. `long_side` are the pixels that are wanted there, too: the decode
    leaves at least 88 % of them, in each part of a strip.

    Raises:
        ImageRejected: with the reason `empty`, `too_many_bytes`, `not_an_image`,
            `unsupported_format`, `too_many_pixels`, `too_small`, `too_costly`, `animated`,
            `truncated` or `corrupt`. No input raises anything else.
    """
    check_bytes(data, limits)
    silence_pillow()
    with map_decode_errors(data):
        photo = open_photo(data, limits)
        image, stored_size = photo.image, photo.image.size
        if short_side is not None:
            parts = count_parts(stored_size) if all_views else 1
            wanted = None if long_side is None else long_side * parts
            min_side = _min_decoded_side(stored_size, short_side, wanted)
            image.draft(None, (min_side, min_side))
        image.load()  # before EXIF is read: a PNG may store it after the pixels
        orientation = read_orientation(image)
        total, readable = count_readable(image, max_pixels=limits.max_pixels)
        frames = _read_frames(photo, readable if all_views else 1, seed=zlib.crc32(data))
        colored = [(frame.number, *convert_to_srgb(frame.image, photo.color)) for frame in frames]
        upright = [(number, apply_orientation(still, orientation)) for number, still, _ in colored]
        views, is_whole = make_views(upright) if all_views else (_first_view(upright), True)
    width, height = upright_size(stored_size, orientation)
    unjudged = _find_unjudged(
        frames=total > readable,
        color=not all(is_known for _, _, is_known in colored),
        strip=not is_whole,
    )
    image_format = photo.image.format or ""
    first = views[0].image if len(views) == 1 else flatten(upright[0][1])
    return Decoded(first, width, height, image_format, total, views, unjudged)


def _read_frames(photo: OpenedPhoto, readable: int, *, seed: int) -> list[Frame]:
    if readable > 1:
        return choose_frames(photo.image, readable=readable, wanted=MAX_FRAMES, seed=seed)
    return [Frame(0, to_8_bits(photo.image))]


def _first_view(upright: list[tuple[int, Image.Image]]) -> tuple[View, ...]:
    return (View(flatten(upright[0][1])),)


def _find_unjudged(*, frames: bool, color: bool, strip: bool) -> Unjudged | None:
    if frames:
        return Unjudged.FRAMES
    if color:
        return Unjudged.COLOR
    return Unjudged.STRIP if strip else None


def decoded_pixels(data: bytes, *, limits: DecodeLimits, short_side: int) -> int:
    """Pixels by which `decode` with these arguments occupies memory; reads the header only.

    A progressive JPEG holds the coefficients of all its pixels, whatever the scale.

    Raises:
        ImageRejected: as `decode`, as far as the header shows.
    """
    check_bytes(data, limits)
    silence_pillow()
    with map_decode_errors(data):
        image = open_photo(data, limits).image
        progressive = "progressive" in image.info
    width, height = image.size
    if image.format != "JPEG":
        return width * height
    factor = draft_factor((width, height), short_side)
    return width * height // min(factor**2, _PROGRESSIVE if progressive else 64)


def draft_factor(size: tuple[int, int], short_side: int) -> int:
    """Largest of the factors 1, 2, 4, 8 by which a picture may shrink.

    `DRAFT_HEADROOM` times the pixels of the needed short side remain.
    """
    max_factor = max(min(size) // math.ceil(short_side * DRAFT_HEADROOM), 1)
    return next(factor for factor in (8, 4, 2, 1) if factor <= max_factor)


def _min_decoded_side(size: tuple[int, int], short_side: int, long_side: int | None) -> int:
    """Minimum pixels of the short side after a decode of a picture of this size."""
    min_side = math.ceil(short_side * DRAFT_HEADROOM)
    if long_side is not None:
        scale = min(long_side / max(size), 1.0)
        min_side = max(min_side, math.floor(_MIN_LONG_SIDE * scale * min(size)))
    return min_side
