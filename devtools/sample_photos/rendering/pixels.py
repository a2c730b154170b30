"""Conversion between pictures and arrays."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Field = NDArray[np.float32]


def as_floats(values: ArrayLike | Image.Image) -> Field:
    """Return numbers or a picture (0..255) as 32-bit floats."""
    return np.asarray(values, dtype=np.float32)


def as_image(values: Field) -> Image.Image:
    """Return an array, (h, w) or (h, w, 3), clipped to 0..255, as an L or RGB picture."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def resize_field(field: Field, height: int, width: int) -> Field:
    """Return the field (rows, columns) resampled to (height, width), bicubic."""
    return as_floats(Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC))
