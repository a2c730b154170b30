"""Decode the bytes of an object into an RGB picture or thumbnail, or reject them with a reason."""

import io
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PIL import AvifImagePlugin, Image, ImageFile, UnidentifiedImageError
from pydantic import Field

from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.yaml_file import StrictModel
from ml.vision.images.avif_header import check_avif_sizes, is_avif
from ml.vision.images.decode_errors import (
    DECODER_ERRORS,
    claimed_format,
    map_decode_errors,
    silence_pillow,
)
from ml.vision.images.decoder_input import decoder_input
from ml.vision.images.upright_rgb import apply_orientation, read_orientation, to_rgb, upright_size

if TYPE_CHECKING:
    from ml.core.settings import Settings

# The formats that shops store and browsers show.
ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")

# Pillow itself rejects more pixels (its warning, from half of them on, is silenced).
_PILLOW_MAX_PIXELS = 178_956_970

# A JPEG is decoded at a scale that leaves this many times the requested short side. Measured on
# four photos enlarged to 12 MP, at a short side of 256, versus a decode at full size: the maximum
# difference of a pixel is 23 of 255 levels without headroom and 8 with it, at a cost of 3 ms of 50.
DRAFT_HEADROOM = 1.5

# A JPEG may be decoded at a scale that leaves this share of the long side for the screens: with all
# of it, square photos of 2 to 2.5 megapixels are decoded at full size: 11.3 ms instead of 7.5.
_MIN_LONG_SIDE = 0.88

# A pixel of a full decode takes as much memory as this many pixels' coefficients.
_PROGRESSIVE = 4

_THUMBNAIL_QUALITY = 85

# Both at import, before any thread pool starts. Otherwise Image.open would register Pillow's
# parsers at the first WebP, and the AVIF decoder would start one thread per core.
Image.init()
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


class DecodeLimits(StrictModel):
    """Limits of a photo's size, checked before its pixels are decoded.

    Measured peak memory in bytes per pixel: 8 to 16 for a picture decoded at full size (16 for AVIF
    with alpha), 3 for a progressive and 0.2 for a baseline JPEG at a reduced scale. At the default
    of 100 million pixels one thread can thus need 1.6 GB.
    """

    max_bytes: int = Field(default=20 * 1024**2, ge=1)
    max_pixels: int = Field(default=100_000_000, ge=1, le=_PILLOW_MAX_PIXELS)
    min_side: int = Field(default=32, ge=1, description="pixels of the short side")


@dataclass(frozen=True)
class Decoded:
    """One upright RGB picture.

    `width` and `height` are pixels of the original, after its orientation was applied; `image`
    is smaller if it was decoded at a reduced scale. `format` is Pillow's name.
    """

    image: Image.Image
    width: int
    height: int
    format: str


def decode_limits(settings: "Settings") -> DecodeLimits:
    """The limits from the settings."""
    return DecodeLimits(
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_image_pixels,
        min_side=settings.min_image_side,
    )


def decode(
    data: bytes,
    *,
    limits: DecodeLimits,
    short_side: int | None = None,
    long_side: int | None = None,
) -> Decoded:
    """Decode one photo completely, to RGB and upright. Thread-safe.

    The limits are checked on bytes and header, before any pixel is decoded. An unreadable EXIF
    block counts as upright.

    If `short_side` says how many pixels the caller needs there, a JPEG is decoded at the smallest
    of the scales 1/1, 1/2, 1/4, 1/8 that leaves `DRAFT_HEADROOM` times as many, which saves half of
    the time; the caller resizes. `long_side` are the pixels that are wanted there, too: the decode
    leaves at least 88 % of them.

    Raises:
        ImageRejected: with the reason `empty`, `too_many_bytes`, `not_an_image`,
            `unsupported_format`, `too_many_pixels`, `too_small`, `too_costly`, `animated`,
            `truncated` or `corrupt`. No input raises anything else.
    """
    check_bytes(data, limits)
    silence_pillow()
    with map_decode_errors(data):
        image = _open(data, limits)
        stored_size = image.size
        if short_side is not None:
            min_side = _min_decoded_side(stored_size, short_side, long_side)
            image.draft(None, (min_side, min_side))
        image.load()  # before EXIF is read: a PNG may store it after the pixels
        orientation = read_orientation(image)
        rgb = apply_orientation(to_rgb(image), orientation)
    width, height = upright_size(stored_size, orientation)
    return Decoded(image=rgb, width=width, height=height, format=image.format or "")


def decoded_pixels(data: bytes, *, limits: DecodeLimits, short_side: int) -> int:
    """Pixels by which `decode` with these arguments occupies memory; reads the header only.

    A progressive JPEG holds the coefficients of all its pixels, whatever the scale.

    Raises:
        ImageRejected: as `decode`, as far as the header shows.
    """
    check_bytes(data, limits)
    silence_pillow()
    with map_decode_errors(data):
        image = _open(data, limits)
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


def check_bytes(data: bytes, limits: DecodeLimits) -> None:
    """Check the number of bytes.

    Raises:
        ImageRejected: `empty` or `too_many_bytes`.
    """
    if not data:
        raise ImageRejected(QuarantineReason.EMPTY, "the object has no bytes")
    if len(data) > limits.max_bytes:
        detail = f"{len(data)} bytes, the limit is {limits.max_bytes}"
        raise ImageRejected(QuarantineReason.TOO_MANY_BYTES, detail)


def _open(data: bytes, limits: DecodeLimits) -> ImageFile.ImageFile:
    """Read and check the header, with the accepted parsers only; decodes nothing."""
    if is_avif(data):
        check_avif_sizes(data, partial(_check_pixels, limits=limits))
    image = _identify(decoder_input(data, max_pixels=limits.max_pixels))
    width, height = image.size
    _check_pixels(width, height, limits)
    if min(width, height) < limits.min_side:
        detail = f"{width} x {height} pixels, the short side must have {limits.min_side}"
        raise ImageRejected(QuarantineReason.TOO_SMALL, detail)
    if getattr(image, "is_animated", False):
        detail = "several frames: only the first one would be checked"
        raise ImageRejected(QuarantineReason.ANIMATED, detail)
    return image


def _identify(data: bytes) -> ImageFile.ImageFile:
    """Read the header; on failure, name the claimed format."""
    try:
        return _read_header(data)
    except UnidentifiedImageError as error:
        claimed = claimed_format(data)
        if claimed is None:
            reason, detail = QuarantineReason.NOT_AN_IMAGE, "no known image signature"
        elif claimed in ACCEPTED_FORMATS:
            reason, detail = QuarantineReason.CORRUPT, f"the {claimed} header cannot be read"
        else:
            reason = QuarantineReason.UNSUPPORTED_FORMAT
            detail = f"{claimed}; accepted are {', '.join(ACCEPTED_FORMATS)}"
        raise ImageRejected(reason, detail) from error


def _read_header(data: bytes) -> ImageFile.ImageFile:
    """Open without decoding; if that fails, once more with the EXIF block renamed.

    The JPEG and AVIF parsers read EXIF while they open the file, and some broken blocks (a
    resolution that is no number, an invalid TIFF header) stop them although the picture is intact.
    """
    try:
        return Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS)
    except DECODER_ERRORS:
        if b"Exif" not in data:
            raise
    return Image.open(io.BytesIO(data.replace(b"Exif", b"none", 1)), formats=ACCEPTED_FORMATS)


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels:
        detail = f"{width} x {height} pixels, the limit is {limits.max_pixels}"
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, detail)


def resize_for_display(
    data: bytes, side: int, *, limits: DecodeLimits, size: tuple[int, int] | None = None
) -> Image.Image:
    """Decode a photo and shrink its long side to `side` pixels; smaller ones are not enlarged.

    If the `size` of the original is known, a JPEG is decoded at the smallest sufficient scale.

    Raises:
        ImageRejected: the bytes cannot be decoded.
    """
    image = decode(data, limits=limits, short_side=display_short_side(side, size)).image
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    return image


def display_short_side(side: int, size: tuple[int, int] | None) -> int:
    """Pixels of the short side when the long side has `side`; at most those, for no known size."""
    return side if size is None else max(1, round(side * min(size) / max(size)))


def as_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB picture; it has no EXIF block, because `decode` removes it."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_THUMBNAIL_QUALITY)
    return out.getvalue()
