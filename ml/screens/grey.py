"""The small grey picture that the cheap screens look at."""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Grey = npt.NDArray[np.uint8]

# Once at import: photos are screened by a pool of threads, and OpenCV's own would fight with it.
cv2.setNumThreads(1)

_LARGEST_RATIO = 8  # a strip of 100 x 20,000 pixels must not become a huge picture


def reduced_grey(image: Image.Image, long_side: int) -> Image.Image:
    """The picture in grey at a long side of at most so many pixels; never enlarged.

    Whole factors go by averages and the rest, less than 2, by straight lines: two thirds of the
    time of one good filter, and codes read as well.
    """
    grey = image.convert("L")
    whole = max(grey.size) // long_side
    if whole > 1:
        grey = grey.reduce(whole)
    factor = max(grey.size) / long_side
    if factor <= 1:
        return grey
    size = (max(round(grey.width / factor), 1), max(round(grey.height / factor), 1))
    pixels = cv2.resize(np.asarray(grey), size, interpolation=cv2.INTER_LINEAR)
    return Image.fromarray(pixels.astype(np.uint8))


def small_grey(image: Image.Image, short_side: int) -> Grey:
    """The picture in grey at a fixed short side, so that a figure means the same for any photo.

    Args:
        image: RGB picture of any size.
        short_side: pixels; the long side follows, up to 8 times as many.

    Returns:
        (height, width), 0..255.

    Raises:
        cv2.error: the picture has no pixels.
    """
    pixels = np.asarray(image.convert("L"))
    factor = short_side / max(min(image.size), 1)  # OpenCV itself refuses an empty picture
    longest = short_side * _LARGEST_RATIO
    width, height = (min(max(round(side * factor), 1), longest) for side in image.size)
    filtering = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=filtering).astype(np.uint8)
