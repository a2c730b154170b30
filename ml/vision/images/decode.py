"""Decode the bytes of an object into RGB pictures, or reject them with a reason."""

import math
import zlib
from dataclasses import dataclass

from PIL import Image

from ml.vision.images.color_profile import ColorSpace, convert_to_srgb
from ml.vision.images.decode_errors import map_decode_errors, silence_pillow
from ml.vision.images.frames import ChosenFrames, Frame, choose_frames, count_readable, read_frames
from ml.vision.images.gif_frames import is_covered
from ml.vision.images.open_photo import (
    DecodeLimits,
    OpenedPhoto,
    check_bytes,
    open_photo,
)
from ml.vision.images.upright_rgb import (
    apply_orientation,
    flatten,
    read_orientation,
    to_8_bits,
    upright_size,
)
from ml.vision.images.views import (
    MAX_JUDGED_FRAMES,
    Unjudged,
    View,
    count_parts,
    count_views,
    make_views,
)

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
    """One photo: its first frame, upright, RGB and over white; and its views, see `views.py`.

    `width` and `height` are pixels of the original, after its orientation was applied; `image`
    is smaller if it was decoded at a reduced scale. `format` is Pillow's name. `unjudged` says why
    the views do not show all that a buyer may see. `has_other_views`: `image` alone is not all that
    is judged, so that a label may be about something else.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    frames: int
    views: tuple[View, ...]
    unjudged: Unjudged | None
    has_other_views: bool


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
        chosen = _choose(photo, readable if all_views else 1, seed=zlib.crc32(data))
        upright, is_known = _in_srgb(chosen.frames, photo.color, orientation)
        first = flatten(upright[0][1])
        views, is_whole = make_views(first, upright) if all_views else ((View(first),), True)
    width, height = upright_size(stored_size, orientation)
    misses_frames = total > readable or chosen.misses_some
    unjudged = _find_unjudged(frames=misses_frames, color=not is_known, strip=not is_whole)
    number = len(views) if all_views else count_views(upright[0][1])
    has_other_views = total > 1 or number > 1
    return Decoded(
        first, width, height, image.format or "", total, views, unjudged, has_other_views
    )


def _choose(photo: OpenedPhoto, readable: int, *, seed: int) -> ChosenFrames:
    frames = read_frames(photo.image, photo.data)
    if readable > 1:
        return choose_frames(frames, readable=readable, wanted=MAX_JUDGED_FRAMES, seed=seed)
    is_part = photo.image.format == "GIF" and not is_covered(photo.data)
    is_composed = getattr(photo.image, "n_frames", 1) > 1 or is_part
    picture = next(iter(frames)) if is_composed else photo.image
    return ChosenFrames([Frame(0, to_8_bits(picture))], misses_some=False)


def _in_srgb(
    frames: list[Frame], color: ColorSpace, orientation: int
) -> tuple[list[tuple[int, Image.Image]], bool]:
    """The numbers and upright pictures of frames, and whether their colors are known.

    Empties the list: a large photo is not in memory twice.
    """
    upright, is_known = [], True
    while frames:
        frame = frames.pop(0)
        picture, known = convert_to_srgb(frame.image, color)
        upright.append((frame.number, apply_orientation(picture, orientation)))
        is_known &= known
    return upright, is_known


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
