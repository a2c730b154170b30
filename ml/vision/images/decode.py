"""Decode the bytes of an object into one RGB picture, or reject them with a typed reason."""

import io
import math
from dataclasses import dataclass

from PIL import AvifImagePlugin, Image, ImageFile, UnidentifiedImageError
from pydantic import Field

from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.settings import Settings
from ml.core.yaml_file import StrictModel
from ml.vision.images.color import to_rgb
from ml.vision.images.decode_errors import (
    DECODER_ERRORS,
    claimed_format,
    map_decode_errors,
    silence_pillow,
)

_EXIF_ORIENTATION = 0x0112  # EXIF 2.3, tag 274
# The transpositions of ImageOps.exif_transpose. That function also writes the EXIF block back, so
# it would reject an intact photo because of a tag that cannot be written.
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = range(5, 9)


def read_orientation(image: Image.Image) -> int:
    """Read the EXIF orientation, 1 (upright) to 8; 1 if the block is missing or broken."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except DECODER_ERRORS:
        return 1
    return value if value in _TRANSPOSE else 1


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Rotate and mirror a stored picture according to its orientation.

    Args:
        image: the picture as stored, of any size.
        orientation: 1 to 8, from `read_orientation`.

    Returns:
        The upright picture; 5 to 8 swap width and height.
    """
    return image.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else image


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture, given those of the stored one."""
    width, height = size
    return (height, width) if orientation in _SWAPS_SIDES else (width, height)


# The formats that shops store and browsers show. The JPEG parser also reads MPO (a JPEG with
# further views or an HDR gain map appended, as phones write it); browsers show its first picture.
ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")

# Pillow itself rejects more pixels (its warning, from half of them on, is silenced).
_PILLOW_MAX_PIXELS = 178_956_970

# A JPEG is decoded at a scale that leaves this many times the requested short side. Measured on
# four photos enlarged to 12 MP, at a short side of 256, versus a decode at full size: the maximum
# difference of a pixel is 23 of 255 levels without headroom and 8 with it, at a cost of 3 ms of 50.
DRAFT_HEADROOM = 1.5

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


def decode_limits(settings: Settings) -> DecodeLimits:
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
    """Decode one photo completely. Thread-safe.

    Args:
        data: the bytes of the object.
        limits: checked on bytes and header, before any pixel is decoded.
        short_side: pixels of the short side that the caller needs. A JPEG is then decoded at the
            smallest of the scales 1/1, 1/2, 1/4, 1/8 that leaves `DRAFT_HEADROOM` times as many,
            which saves half of the time; the caller resizes. None decodes at full size.
        long_side: pixels of the long side that the caller also needs; only with `short_side`.

    Returns:
        The picture in RGB, upright according to its EXIF orientation (an unreadable EXIF block
        counts as upright), with the size and format of the original.

    Raises:
        ImageRejected: with the reason `empty`, `too_many_bytes`, `not_an_image`,
            `unsupported_format`, `too_many_pixels`, `too_small`, `animated`, `truncated` or
            `corrupt`. No input raises anything else.
    """
    _check_bytes(data, limits)
    silence_pillow()
    with map_decode_errors(data):
        image = _open(data)
        _check_header(image, limits)
        stored_size = image.size
        if short_side is not None:
            min_side = _min_decoded_side(stored_size, short_side, long_side)
            image.draft(None, (min_side, min_side))
        image.load()  # before EXIF is read: a PNG may store it after the pixels
        orientation = read_orientation(image)
        rgb = apply_orientation(to_rgb(image), orientation)
    width, height = upright_size(stored_size, orientation)
    return Decoded(image=rgb, width=width, height=height, format=image.format or "")


def draft_factor(size: tuple[int, int], short_side: int) -> int:
    """Largest of the factors 1, 2, 4, 8 by which a picture may shrink and keep the headroom.

    Args:
        size: width and height in pixels.
        short_side: pixels of the short side that are needed in the end; see `DRAFT_HEADROOM`.
    """
    max_factor = max(min(size) // math.ceil(short_side * DRAFT_HEADROOM), 1)
    return next(factor for factor in (8, 4, 2, 1) if factor <= max_factor)


def _min_decoded_side(size: tuple[int, int], short_side: int, long_side: int | None) -> int:
    """Minimum pixels of the short side after a decode of a picture of this size."""
    min_side = math.ceil(short_side * DRAFT_HEADROOM)
    if long_side is not None:
        scale = min(long_side / max(size), 1.0)
        min_side = max(min_side, math.floor(scale * min(size)))
    return min_side


def _check_bytes(data: bytes, limits: DecodeLimits) -> None:
    if not data:
        raise ImageRejected(QuarantineReason.EMPTY, "the object has no bytes")
    if len(data) > limits.max_bytes:
        detail = f"{len(data)} bytes, the limit is {limits.max_bytes}"
        raise ImageRejected(QuarantineReason.TOO_MANY_BYTES, detail)


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header with the accepted parsers only; on failure, name the claimed format."""
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


def _check_header(image: ImageFile.ImageFile, limits: DecodeLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        detail = f"{width} x {height} pixels, the limit is {limits.max_pixels}"
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, detail)
    if min(width, height) < limits.min_side:
        detail = f"{width} x {height} pixels, the short side must have {limits.min_side}"
        raise ImageRejected(QuarantineReason.TOO_SMALL, detail)
    if image.format != "MPO" and getattr(image, "is_animated", False):
        detail = "several frames: only the first one would be checked"
        raise ImageRejected(QuarantineReason.ANIMATED, detail)
