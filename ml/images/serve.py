"""A photo as a browser gets it: upright, reduced, JPEG, without metadata."""

import io

from PIL import Image

from ml.images.decode import DecodeLimits, decode

SIDES = (320, 640, 1280, 2048)
_QUALITY = 85


def reduced(
    data: bytes, side: int, *, limits: DecodeLimits, size: tuple[int, int] | None = None
) -> Image.Image:
    """Decode a photo so that it fits a square of `side` pixels; smaller ones stay as they are.

    Args:
        data: the object's bytes.
        side: pixels of the long side, at most.
        limits: of decoding.
        size: width and height of the original, if known: a JPEG is then decoded at the least scale.

    Raises:
        ImageRejected: the bytes are no photo that can be shown.
    """
    short = side if size is None else round(side * min(size) / max(size))
    image = decode(data, limits=limits, short_side=max(1, short)).image
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    return image


def as_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB picture; it carries no EXIF block, since `decode` leaves none."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
