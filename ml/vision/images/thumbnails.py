"""Thumbnails for browsers: upright, reduced, JPEG, without metadata."""

import io

from PIL import Image

from ml.vision.images.decode import DecodeLimits, decode

_QUALITY = 85


def resize_for_display(
    data: bytes, side: int, *, limits: DecodeLimits, size: tuple[int, int] | None = None
) -> Image.Image:
    """Decode a photo and shrink it to a square of `side` pixels; smaller ones are not enlarged.

    Args:
        data: the object's bytes.
        side: maximum pixels of the long side.
        limits: limits of decoding.
        size: width and height of the original, if known: a JPEG is then decoded at the smallest
            sufficient scale.

    Raises:
        ImageRejected: the bytes cannot be decoded.
    """
    short = side if size is None else round(side * min(size) / max(size))
    image = decode(data, limits=limits, short_side=max(1, short)).image
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    return image


def as_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB picture; it has no EXIF block, because `decode` removes it."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
