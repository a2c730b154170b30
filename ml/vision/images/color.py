"""Convert any pixel mode of an accepted format to 8-bit RGB."""

import numpy as np
from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason

# A shop's page is white, so buyers see transparent areas in white. Black, the usual result of
# dropping the alpha channel, would hide dark text and dark products from every screen.
BACKGROUND = (255, 255, 255)

# The modes in which Pillow decodes JPEG, PNG, WebP, GIF, BMP and AVIF. The others have no standard
# conversion to 8 bits (floating point has no white level, LAB needs a profile) and come from
# formats such as TIFF, which are rejected earlier; Pillow would clip them silently.
_CONVERTIBLE_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK"})


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded picture to RGB.

    - Transparency (alpha channel, transparent palette entry or color key) is composited over white.
    - 16-bit gray keeps its high byte, as Pillow does for 16-bit RGB: scaled, never clipped.
    - CMYK is converted by the simple formula; Pillow has already undone Adobe's inversion.
    - ICC profiles are ignored: the color shift is too small to matter for moderation, and the
      profile parser is attack surface.

    Args:
        image: decoded pixels of any mode, size (width, height).

    Returns:
        A new image of the same size, mode RGB, 8 bits per channel, without metadata.

    Raises:
        ImageRejected: `unsupported_format` for a pixel mode without a standard conversion.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode not in _CONVERTIBLE_MODES:
        raise ImageRejected(QuarantineReason.UNSUPPORTED_FORMAT, f"pixel mode {image.mode}")
    rgb = _over_background(image) if image.has_transparency_data else image.convert("RGB")
    rgb.info = {}  # EXIF can contain the buyer's location: no later step should see or store it
    return rgb


def _over_background(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, BACKGROUND)
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas
