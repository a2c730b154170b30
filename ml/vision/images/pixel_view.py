"""The pixels of a Pillow picture as an array that shares its memory, and their reduction."""

import cv2
import nanoarrow
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def view_pixels(image: Image.Image) -> Pixels | None:
    """The pixels (height, width, 4) of an RGB picture, without a copy; the fourth value is unused.

    None if Pillow holds them in several blocks, as those of pictures above 4 megapixels. Nothing
    may be written to the picture while the array is in use.
    """
    try:
        values = nanoarrow.c_array(image).child(0).view().buffer(1)
    except ValueError:
        return None
    return np.frombuffer(values, np.uint8).reshape(image.height, image.width, 4)


def halve_rgb(image: Image.Image) -> Image.Image:
    """The same pixels as `image.reduce(2)` of an RGB picture, in a third of the time."""
    pixels = view_pixels(image)
    if pixels is None or min(image.size) == 1:
        return image.reduce(2)
    width, height = image.width // 2, image.height // 2
    half = np.empty((-(-image.height // 2), -(-image.width // 2), 4), np.uint8)
    half[:height, :width] = _mean_of_four(pixels[: 2 * height, : 2 * width])
    # Pillow averages the two pixels of an odd side's last column or row, and keeps the corner.
    if image.width % 2:
        half[:height, -1:] = _mean_of_four(pixels[: 2 * height, [-1, -1]])
    if image.height % 2:
        half[-1:, :width] = _mean_of_four(pixels[[-1, -1], : 2 * width])
    if image.width % 2 and image.height % 2:
        half[-1, -1] = pixels[-1, -1]
    size = half.shape[1], half.shape[0]
    return Image.frombuffer("RGBX", size, half, "raw", "RGBX", 0, 1).convert("RGB")


def _mean_of_four(pixels: Pixels) -> Pixels:
    size = pixels.shape[1] // 2, pixels.shape[0] // 2
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
