"""Edits of a photo before it is uploaded again."""

import io
from collections.abc import Callable

from PIL import Image, ImageOps

Picture = Image.Image


def _scaled(picture: Picture, share: float) -> Picture:
    size = round(picture.width * share), round(picture.height * share)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _cropped(picture: Picture, share: float) -> Picture:
    """Crop `share` of width and height, half of it on each side."""
    left, top = round(picture.width * share / 2), round(picture.height * share / 2)
    return picture.crop((left, top, picture.width - left, picture.height - top))


# Name -> the edit and the JPEG quality. "Cropped by 5 %" may mean the area (2.5 % of each side) or
# the sides.
EDITS: dict[str, tuple[Callable[[Picture], Picture], int]] = {
    "half": (lambda p: _scaled(p, 0.5), 90),
    "larger": (lambda p: _scaled(p, 1.5), 90),
    "recompressed": (lambda p: p, 40),
    "cropped_area": (lambda p: _cropped(p, 0.0253), 90),
    "cropped_sides": (lambda p: _cropped(p, 0.05), 90),
}


def apply_edit(data: bytes, edit: str) -> bytes:
    """Return the photo after one of `EDITS`, upright and without metadata."""
    change, quality = EDITS[edit]
    with Image.open(io.BytesIO(data)) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    out = io.BytesIO()
    change(picture).save(out, "JPEG", quality=quality)
    return out.getvalue()
