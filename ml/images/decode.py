"""Bytes of a stored object -> one RGB picture, or a typed rejection."""

import io
import math
from dataclasses import dataclass

from PIL import AvifImagePlugin, Image, ImageFile, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field

from ml.errors import ImageRejected, QuarantineReason
from ml.images.orientation import read_orientation, turn_upright, upright_size
from ml.images.quiet import silence_pillow
from ml.images.rejection import DECODER_ERRORS, rejecting
from ml.images.rgb import to_rgb
from ml.images.signature import claimed_format
from ml.settings import Settings

# What shops store and browsers show. MPO (a JPEG with further views or an HDR gain map behind it,
# as phones write it) comes through the JPEG parser; browsers show its first picture, and so do we.
ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")

# Pillow refuses more pixels by itself (and warns from half of it on, which is silenced).
_PILLOW_MAX_PIXELS = 178_956_970

# A JPEG is decoded at a scale that leaves this many times the short side asked for. Measured on
# four photos enlarged to 12 MP, at a short side of 256, against a decode at full size: the largest
# difference of a pixel is 23 levels of 255 without headroom and 8 with it, for 3 ms of 50.
DRAFT_HEADROOM = 1.5

# Both once at import, before any pool of threads starts. Image.open would otherwise register
# Pillow's parsers at the first WebP, and the AVIF decoder start a thread for each core.
Image.init()
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


class DecodeLimits(BaseModel):
    """What a photo may cost at most, and how small it may be.

    Measured peak memory in bytes a pixel: 8 to 16 for a picture decoded at full size (16 for AVIF
    with alpha), 3 for a progressive and 0.2 for a baseline JPEG at a reduced scale. At the default
    of 100 million pixels one thread can so need 1.6 GB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=20 * 1024**2, ge=1)
    max_pixels: int = Field(default=100_000_000, ge=1, le=_PILLOW_MAX_PIXELS)
    min_side: int = Field(default=32, ge=1, description="pixels of the short side")


@dataclass(frozen=True)
class Decoded:
    """One upright RGB picture.

    `width` and `height` are pixels of the original, after its orientation was applied; `image`
    may be smaller, where it was decoded at a reduced scale. `format` is Pillow's name.
    """

    image: Image.Image
    width: int
    height: int
    format: str


def decode_limits(settings: Settings) -> DecodeLimits:
    """The limits that the settings give."""
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
    """Decode one photo completely. Safe in a pool of threads.

    Args:
        data: the bytes of the object.
        limits: bounds that are checked on bytes and header, before any pixel is decoded.
        short_side: pixels of the short side that the caller needs. A JPEG is then decoded at the
            smallest of the scales 1/1, 1/2, 1/4, 1/8 that leaves `DRAFT_HEADROOM` times as many,
            which saves half of the time; the caller resizes. None decodes at full size.
        long_side: pixels of the long side that the caller needs beside; only with `short_side`.

    Returns:
        The picture in RGB, upright by its EXIF orientation (an unreadable EXIF block counts as
        upright), with the size and format of the original.

    Raises:
        ImageRejected: with the reason `empty`, `too_many_bytes`, `not_an_image`,
            `unsupported_format`, `too_many_pixels`, `too_small`, `animated`, `truncated` or
            `corrupt`; nothing else is raised for whatever bytes.
    """
    _check_bytes(data, limits)
    silence_pillow()
    with rejecting(data):
        image = _open(data)
        _check_header(image, limits)
        stored_size = image.size
        if short_side is not None:
            image.draft(None, _wanted(stored_size, short_side, long_side))
        image.load()  # before EXIF is read: a PNG may hold it behind the pixels
        orientation = read_orientation(image)
        rgb = turn_upright(to_rgb(image), orientation)
    width, height = upright_size(stored_size, orientation)
    return Decoded(image=rgb, width=width, height=height, format=image.format or "")


def draft_factor(size: tuple[int, int], short_side: int) -> int:
    """1, 2, 4 or 8: how much smaller a picture may get and leave `DRAFT_HEADROOM` to a side.

    Args:
        size: width and height in pixels.
        short_side: pixels of the short side that are needed in the end.
    """
    most = min(size) // math.ceil(short_side * DRAFT_HEADROOM)
    return next(factor for factor in (8, 4, 2, 1) if factor <= max(most, 1))


def _wanted(size: tuple[int, int], short_side: int, long_side: int | None) -> tuple[int, int]:
    """The least width and height, of a picture of this size, that a decode must leave."""
    wanted = math.ceil(short_side * DRAFT_HEADROOM)
    if long_side is not None:
        share = min(long_side / max(size), 1.0)
        wanted = max(wanted, math.floor(share * min(size)))
    return wanted, wanted


def _check_bytes(data: bytes, limits: DecodeLimits) -> None:
    if not data:
        raise ImageRejected(QuarantineReason.EMPTY, "the object has no bytes")
    if len(data) > limits.max_bytes:
        detail = f"{len(data)} bytes, the limit is {limits.max_bytes}"
        raise ImageRejected(QuarantineReason.TOO_MANY_BYTES, detail)


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header with the accepted parsers only, and say what else the bytes may be."""
    try:
        return _read_header(data)
    except UnidentifiedImageError as error:
        claimed = claimed_format(data)
        if claimed is None:
            detail = "no known image signature"
            raise ImageRejected(QuarantineReason.NOT_AN_IMAGE, detail) from error
        if claimed not in ACCEPTED_FORMATS:
            detail = f"{claimed}; accepted are {', '.join(ACCEPTED_FORMATS)}"
            raise ImageRejected(QuarantineReason.UNSUPPORTED_FORMAT, detail) from error
        detail = f"the {claimed} header cannot be read"
        raise ImageRejected(QuarantineReason.CORRUPT, detail) from error


def _read_header(data: bytes) -> ImageFile.ImageFile:
    """Open without decoding; once more with the EXIF block renamed where the first try fails.

    The JPEG and AVIF parsers read EXIF while they open the file, and some broken blocks (a
    resolution of no numbers, a TIFF header that is none) stop them before a fine picture.
    """
    try:
        return Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS)
    except DECODER_ERRORS:
        if b"Exif" not in data:
            raise
    return Image.open(io.BytesIO(data.replace(b"Exif", b"none", 1)), formats=ACCEPTED_FORMATS)


def _check_header(image: ImageFile.ImageFile, limits: DecodeLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        detail = f"{width} x {height} pixels, the limit is {limits.max_pixels}"
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, detail)
    if min(width, height) < limits.min_side:
        detail = f"{width} x {height} pixels, the short side must have {limits.min_side}"
        raise ImageRejected(QuarantineReason.TOO_SMALL, detail)
    if image.format != "MPO" and getattr(image, "is_animated", False):
        detail = "several frames: to judge the first would let the others pass unseen"
        raise ImageRejected(QuarantineReason.ANIMATED, detail)
