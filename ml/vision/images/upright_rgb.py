"""Turn a decoded picture upright by its EXIF orientation, and convert it to 8-bit RGB."""

import math
from typing import Literal

import numpy as np
from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.decode_errors import DECODER_ERRORS

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
    """Read the EXIF orientation, 1 (upright) to 8; 1 if the block is missing or broken.

    One that only an XMP block has does not count, nor one of a WebP: Chromium does not read them
    either.
    """
    if image.format == "WEBP":
        return 1
    image.info.pop("xmp", None)  # where Pillow would look for it
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except DECODER_ERRORS:
        return 1
    return value if value in _TRANSPOSE else 1


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Rotate and mirror a stored picture; the orientations 5 to 8 swap width and height."""
    return image.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else image


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture, given those of the stored one."""
    width, height = size
    return (height, width) if orientation in _SWAPS_SIDES else (width, height)


# A shop's page is white, or black in a dark theme: what is seen of a transparent picture differs.
BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0)}
Background = Literal["white", "black"]

# The modes in which Pillow decodes the accepted formats. The others have no standard conversion to
# 8 bits (floating point has no white level, LAB needs a profile) and come from formats such as
# TIFF, which are rejected earlier; Pillow would clip them silently.
_CONVERTIBLE_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK"})

# An alpha from which on a pixel counts as opaque: the background moves it by less than encoders do.
_OPAQUE = 250

# Pictures of more pixels are reduced where several of a photo are kept at a time.
_MAX_KEPT_PIXELS = 4_000_000


def to_8_bits(image: Image.Image) -> Image.Image:
    """Convert a loaded picture to L, CMYK, RGB, or RGBA if it is transparent.

    16-bit gray keeps its high byte, as Pillow does for 16-bit RGB: scaled, never clipped.

    Raises:
        ImageRejected: `unsupported_format` for a pixel mode without a standard conversion.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode not in _CONVERTIBLE_MODES:
        raise ImageRejected(QuarantineReason.UNSUPPORTED_FORMAT, f"pixel mode {image.mode}")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in ("RGB", "L", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def is_transparent(image: Image.Image) -> bool:
    """Whether the background shows through a picture of `to_8_bits` anywhere."""
    return image.mode == "RGBA" and image.getchannel("A").histogram()[:_OPAQUE] != [0] * _OPAQUE


def flatten(image: Image.Image, background: Background = "white") -> Image.Image:
    """An RGB picture of the result of `to_8_bits`, over a background and without metadata.

    CMYK is converted by the simple formula; Pillow has already undone Adobe's inversion.
    """
    if image.mode == "RGBA":
        rgb = Image.new("RGB", image.size, BACKGROUNDS[background])
        rgb.paste(image, mask=image)  # its alpha channel
    elif image.mode == "RGB":
        # The same pixels, which `convert` would copy, without the metadata in the decoder's image.
        rgb = image._new(image.im)  # noqa: SLF001 - Pillow has no public name for it
    else:
        rgb = image.convert("RGB")
    rgb.info = {}  # EXIF can contain the buyer's location: no later step should see or store it
    return rgb


def reduce_to(image: Image.Image, max_pixels: int = _MAX_KEPT_PIXELS) -> Image.Image:
    """A picture of `to_8_bits`, reduced by an integer factor to at most so many pixels."""
    factor = math.ceil(math.sqrt(math.prod(image.size) / max_pixels))
    return image.reduce(factor) if factor > 1 else image
