"""Read the header of a photo and check it against the limits, before any pixel is decoded."""

import io
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PIL import AvifImagePlugin, Image, ImageFile, UnidentifiedImageError
from pydantic import Field

from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.yaml_file import StrictModel
from ml.vision.images.avif_header import check_avif_sizes, is_avif
from ml.vision.images.bmp_header import read_bmp_color
from ml.vision.images.color_profile import ColorSpace, is_plain
from ml.vision.images.decode_errors import DECODER_ERRORS, claimed_format
from ml.vision.images.decoder_input import decoder_input
from ml.vision.images.heif_decoder import HEIF, register_heif
from ml.vision.images.heif_header import check_heif_sizes, is_heif
from ml.vision.images.item_boxes import ReadBudget, top_boxes
from ml.vision.images.jpeg_segments import read_profile
from ml.vision.images.png_color import read_png_color

if TYPE_CHECKING:
    from ml.core.settings import Settings

# The formats that shops store and browsers show, and the one in which phones send photos.
_BROWSER_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
ACCEPTED_FORMATS = (*_BROWSER_FORMATS, HEIF)

# Pillow itself rejects more pixels (its warning, from half of them on, is silenced).
_PILLOW_MAX_PIXELS = 178_956_970

# A box `colr` of the type `nclx` with the code points of primaries and transfer function.
_HEADERS = (b"meta", b"mini", b"moov")
_CODE_POINTS = re.compile(rb"colrnclx(..)(..)", re.DOTALL)

# Both at import, before any thread pool starts. Otherwise Image.open would register Pillow's
# parsers at the first WebP, and the AVIF decoder would start one thread per core.
Image.init()
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
register_heif()


class DecodeLimits(StrictModel):
    """Limits of a photo's size, checked before its pixels are decoded.

    Measured peak memory in bytes per pixel: 4 to 16 for a picture decoded at full size, up to 25
    for one with alpha and a color profile, 3 for a progressive and 0.2 for a baseline JPEG at a
    reduced scale. At the default of 100 million pixels one thread can thus need 2.5 GB. The frames
    of an animation that are decoded together have at most `max_pixels`, too.
    """

    max_bytes: int = Field(default=20 * 1024**2, ge=1)
    max_pixels: int = Field(default=100_000_000, ge=1, le=_PILLOW_MAX_PIXELS)
    min_side: int = Field(default=32, ge=1, description="pixels of the short side")


@dataclass(frozen=True)
class OpenedPhoto:
    """A photo of which only the header was read."""

    image: ImageFile.ImageFile
    color: ColorSpace
    data: bytes  # what it was opened from: the file without most metadata


def decode_limits(settings: "Settings") -> DecodeLimits:
    """The limits from the settings."""
    return DecodeLimits(
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_image_pixels,
        min_side=settings.min_image_side,
    )


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


def open_photo(data: bytes, limits: DecodeLimits) -> OpenedPhoto:
    """Read and check the header, with the accepted parsers only; decodes nothing.

    Raises:
        ImageRejected: as `decode`; and what `map_decode_errors` maps.
    """
    if is_avif(data):
        check_avif_sizes(data, partial(_check_pixels, limits=limits))
    elif is_heif(data):
        check_heif_sizes(data, partial(_check_pixels, limits=limits))
    stripped = decoder_input(data, max_pixels=limits.max_pixels)
    image = _identify(stripped)
    width, height = image.size
    _check_pixels(width, height, limits)
    if min(width, height) < limits.min_side:
        detail = f"{width} x {height} pixels, the short side must have {limits.min_side}"
        raise ImageRejected(QuarantineReason.TOO_SMALL, detail)
    return OpenedPhoto(image, _read_color(image, data), stripped)


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
    formats = (HEIF,) if is_heif(data) else _BROWSER_FORMATS  # each gets what was checked for it
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except DECODER_ERRORS:
        if b"Exif" not in data:
            raise
    return Image.open(io.BytesIO(data.replace(b"Exif", b"none", 1)), formats=formats)


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels:
        detail = f"{width} x {height} pixels, the limit is {limits.max_pixels}"
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, detail)


def _read_color(image: ImageFile.ImageFile, data: bytes) -> ColorSpace:
    """The color space by the whole file: the decoder gets it without some metadata."""
    if image.format == "PNG":
        return read_png_color(data)
    if image.format == "JPEG":
        profile, is_whole = read_profile(data)
        return ColorSpace(profile, unknown=not is_whole, is_gray=image.mode == "L")
    if image.format == "BMP":
        return read_bmp_color(data)
    profile = image.info.get("icc_profile") or None
    is_gray = image.mode in ("L", "LA")
    if image.format in ("AVIF", HEIF) and profile is None:
        return ColorSpace(unknown=not _is_plain_container(data), is_gray=is_gray)
    return ColorSpace(profile, is_gray=is_gray)


def _is_plain_container(data: bytes) -> bool:
    """Whether code points in the container of an AVIF or HEIF say plain colors.

    Without any, those in the coded stream count, which are not read here.
    """
    boxes = top_boxes(data, ReadBudget())
    headers = b"".join(content for kind, content in boxes if kind in _HEADERS)
    points = _CODE_POINTS.findall(headers)
    values = [(int.from_bytes(a, "big"), int.from_bytes(b, "big")) for a, b in points]
    return bool(values) and all(is_plain(*pair) for pair in values)
