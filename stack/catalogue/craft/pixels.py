"""Pictures as arrays of numbers and back."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Field = NDArray[np.float32]


def floats(values: ArrayLike | Image.Image) -> Field:
    """Return numbers or a picture as 32-bit floats; a picture keeps its 0..255."""
    return np.asarray(values, dtype=np.float32)


def picture(values: Field) -> Image.Image:
    """Return an array, (h, w) or (h, w, 3), 0..255 and cut off there, as an L or RGB picture."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def enlarge(field: Field, height: int, width: int) -> Field:
    """Return the field (rows, columns) resampled to (height, width), bicubic."""
    return floats(Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC))
