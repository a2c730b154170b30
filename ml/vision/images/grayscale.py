"""Reduced grayscale pictures for the cheap screens."""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Gray = npt.NDArray[np.uint8]

# OpenCV's own threads would compete with the thread pool that screens photos.
cv2.setNumThreads(1)

_MAX_ASPECT = 8  # a strip of 100 x 20,000 pixels must not become a huge picture


def limit_long_side(image: Image.Image, long_side: int) -> Image.Image:
    """Grayscale picture with a long side of at most `long_side` pixels; never enlarged.

    The integer part of the factor is averaged and the rest, below 2, interpolated linearly: that
    takes two thirds of the time of one good filter, and codes remain as readable.
    """
    gray = image.convert("L")
    integer_factor = max(gray.size) // long_side
    if integer_factor > 1:
        gray = gray.reduce(integer_factor)
    factor = max(gray.size) / long_side
    if factor <= 1:
        return gray
    size = (max(round(gray.width / factor), 1), max(round(gray.height / factor), 1))
    pixels = cv2.resize(np.asarray(gray), size, interpolation=cv2.INTER_LINEAR)
    return Image.fromarray(pixels.astype(np.uint8))


def fix_short_side(image: Image.Image, short_side: int) -> Gray:
    """Grayscale pixels (height, width) of a fixed short side, so that photos are comparable.

    The long side keeps the aspect ratio, up to 8 times as many pixels.

    Raises:
        cv2.error: the picture has no pixels.
    """
    pixels = np.asarray(image.convert("L"))
    factor = short_side / max(min(image.size), 1)  # OpenCV itself rejects an empty picture
    max_side = short_side * _MAX_ASPECT
    width, height = (min(max(round(side * factor), 1), max_side) for side in image.size)
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=interpolation).astype(np.uint8)
