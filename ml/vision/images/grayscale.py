"""Reduced grayscale pictures for the cheap screens."""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Gray = npt.NDArray[np.uint8]

# OpenCV's own threads would compete with the thread pool that screens photos.
cv2.setNumThreads(1)

_MAX_ASPECT = 8  # a strip of 100 x 20,000 pixels must not become a huge picture


def gray_pixels(picture: Image.Image | Gray) -> Gray:
    """Grayscale pixels (height, width) of a picture; those of gray pixels are themselves."""
    if isinstance(picture, Image.Image):
        return np.asarray(picture if picture.mode == "L" else picture.convert("L"))
    return picture


def limit_long_side(image: Image.Image, long_side: int) -> Gray:
    """Grayscale pixels (height, width), at most `long_side` on the long side; never enlarged.

    The integer part of the factor is averaged and the rest, below 2, interpolated linearly: that
    takes two thirds of the time of one good filter, and codes remain as readable.
    """
    gray = image.convert("L")
    integer_factor = max(gray.size) // long_side
    if integer_factor > 1:
        gray = gray.reduce(integer_factor)
    factor = max(gray.size) / long_side
    if factor <= 1:
        return np.asarray(gray)
    size = (max(round(gray.width / factor), 1), max(round(gray.height / factor), 1))
    return _resize(np.asarray(gray), size, cv2.INTER_LINEAR)


def halve(gray: Gray) -> Gray:
    """The picture at half the size; each pixel is the mean of four."""
    height, width = gray.shape
    return _resize(gray, (max(width // 2, 1), max(height // 2, 1)), cv2.INTER_LINEAR)


def fix_short_side(picture: Image.Image | Gray, short_side: int) -> Gray:
    """Grayscale pixels (height, width) of a fixed short side, so that photos are comparable.

    The long side keeps the aspect ratio, up to 8 times as many pixels.

    Raises:
        cv2.error: the picture has no pixels.
    """
    gray = gray_pixels(picture)
    factor = short_side / max(min(gray.shape), 1)  # OpenCV itself rejects an empty picture
    max_side = short_side * _MAX_ASPECT
    width, height = (min(max(round(side * factor), 1), max_side) for side in gray.shape[::-1])
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return _resize(gray, (width, height), interpolation)


def _resize(gray: Gray, size: tuple[int, int], interpolation: int) -> Gray:
    return cv2.resize(gray, size, interpolation=interpolation).astype(np.uint8, copy=False)
