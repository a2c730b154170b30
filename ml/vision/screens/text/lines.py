"""Lines of text that OCR found: their boxes, reading order and share of the picture."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

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


def box_sides(box: Quad) -> tuple[float, float]:
    """Width and height of a box in pixels, in the direction of its first side."""
    return float(np.linalg.norm(box[0] - box[1])), float(np.linalg.norm(box[0] - box[3]))


def turn_upright(lines: Sequence[TextLine], size: tuple[int, int]) -> tuple[list[TextLine], int]:
    """The lines and the width of the picture, as if turned so that most text runs to the right.

    Args:
        lines: corners begin at the top left of the text.
        size: of the picture: width, height.
    """
    quarters = Counter(_quarters(line) for line in lines).most_common(1)
    turns = quarters[0][0] if quarters else 0
    upright = [
        replace(line, box=tuple(_turn(point, turns) for point in line.box)) for line in lines
    ]
    return upright, size[turns % 2]


def _quarters(line: TextLine) -> int:
    """By how many quarters the text is turned clockwise."""
    (left, top), (right, bottom) = line.box[:2]
    return round(math.atan2(bottom - top, right - left) / (math.pi / 2)) % 4


def _turn(point: tuple[int, int], quarters: int) -> tuple[int, int]:
    for _ in range(quarters):
        point = point[1], -point[0]
    return point


def covered_share(boxes: Sequence[Quad], size: tuple[int, int]) -> float:
    """Share (0..1) of a picture of `size` (width, height) that the boxes cover."""
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box).astype(np.int32)], (1,))
    return float(mask.mean())
