"""Lines of text that OCR found: their boxes, reading order and share of the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Quad = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextLine:
    """One recognized line, its confidence (0..1) and its four corners (x, y) in pixels."""

    text: str
    score: float
    box: tuple[tuple[int, int], ...]


def reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Sort lines by row, then left to right; centers within half a line height share a row."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=_center_y):
        if rows and _center_y(line) - _center_y(rows[-1][0]) < _height(rows[-1][0]) / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.box[0][0])]


def _center_y(line: TextLine) -> float:
    return sum(y for _, y in line.box) / len(line.box)


def _height(line: TextLine) -> float:
    ys = [y for _, y in line.box]
    return float(max(ys) - min(ys))


def covered_share(boxes: Sequence[Quad], size: tuple[int, int]) -> float:
    """Share (0..1) of a picture of `size` (width, height) that the boxes cover."""
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box).astype(np.int32)], (1,))
    return float(mask.mean())
