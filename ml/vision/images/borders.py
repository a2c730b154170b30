"""Borders that were added around a photo: frames of one color, and bars of a screenshot."""

import numpy as np
import numpy.typing as npt
from PIL import Image

_TOLERANCE = 24  # levels of a channel, from the color of the border
_EDGE_SHARE = 0.9  # of the outermost line, in the color of the border
_LINE_SHARE = 0.6  # of each further line: bars of a screenshot have texts and icons
_MIN_AREA, _MAX_AREA = 0.2, 0.97  # share of the photo that is left

Lines = npt.NDArray[np.uint8]


def trim_borders(image: Image.Image) -> Image.Image | None:
    """The RGB picture without its borders; None where it has none, or hardly anything else."""
    pixels = np.asarray(image)
    top, bottom = _border(pixels), _border(pixels[::-1])
    rows = pixels[top : len(pixels) - bottom].transpose(1, 0, 2)
    if not rows.size:
        return None
    left, right = _border(rows), _border(rows[::-1])
    box = (left, top, image.width - right, image.height - bottom)
    area = (box[2] - box[0]) * (box[3] - box[1]) / (image.width * image.height)
    return image.crop(box) if _MIN_AREA <= area <= _MAX_AREA else None


def _border(lines: Lines) -> int:
    """How many of the first lines (n, length, 3) are a border."""
    color = np.median(lines[0], axis=0)
    if _share(lines[:1], color)[0] < _EDGE_SHARE:
        return 0
    is_border = _share(lines, color) >= _LINE_SHARE
    return len(lines) if is_border.all() else int(is_border.argmin())


def _share(lines: Lines, color: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of each line that has a color."""
    low = np.clip(color - _TOLERANCE, 0, 255).astype(np.uint8)
    high = np.clip(color + _TOLERANCE, 0, 255).astype(np.uint8)
    is_alike = ((lines >= low) & (lines <= high)).all(axis=2)
    return np.asarray(is_alike.mean(axis=1), np.float64)
