"""Finder patterns of QR codes: a square within a ring, dark or light, at any angle.

A reader needs all three of a code. Two of them tell a person that there is a code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt

from ml.vision.images.grayscale import Gray

Contour = npt.NDArray[np.int32]
Box = tuple[tuple[int, int], ...]  # four corners (x, y)

MAX_PATTERNS = 24  # of a picture; prints of rings and spots have more
_WINDOW = 0.25  # of the longer side: pixels are compared with the mean around them
_MIN_WINDOW = 15  # pixels
_MIN_CONTRAST = 5  # levels
_MIN_CONTOUR = 8  # pixels around the smallest center
# The center has 3 x 3 modules, the ring 5 x 5 inside and 7 x 7 outside; blur moves these figures.
_LENGTHS = (1.2, 2.4)  # contour of the ring's inside to that of the center: 1.7
_INSIDE = (1.6, 4.6)  # area of the ring's inside to that of the center: 2.8
_OUTSIDE = (3.0, 10.0)  # area of the ring's outside to that of the center: 5.4
_MAX_OFFSET = 0.35  # between the middles, as a share of the center's side
_MAX_ELONGATION = 2.2
_MIN_FILLED = 0.6  # share of the rectangle around the center; a circle has 0.79
# Contour of a hole in the center to that of the center: the character 回 has 0.6 and more.
_MAX_HOLE = 0.5
# Contour around the ring to that of the ring's outside: around a code is much more room, and the
# outer stroke of the same character is as near as 1.2.
_MIN_AROUND = 1.5
_HALF_PATTERN = 7 / 6  # in sides of the center
_MAX_SIZE_RATIO = 1.5  # of two patterns of a code
_DISTANCE = (3.5, 60.0)  # of two patterns of a code, in sides of the center: 4.7 to 57


@dataclass(frozen=True)
class FinderPattern:
    """Middle of a pattern and side of its center, in pixels."""

    x: float
    y: float
    side: float


def find_finder_patterns(gray: Gray, scale: float = 1.0) -> list[FinderPattern]:
    """The finder patterns of a picture; none if there are more than `MAX_PATTERNS`.

    Positions are those of a picture of which `gray` is `scale` times the size.
    """
    window = max(int(max(gray.shape) * _WINDOW) | 1, _MIN_WINDOW)
    dark = cv2.adaptiveThreshold(
        gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, window, _MIN_CONTRAST
    )
    contours, hierarchy = cv2.findContours(dark, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return []
    lines = [np.asarray(contour, dtype=np.int32) for contour in contours]
    parents = np.asarray(hierarchy, dtype=np.int32)[0, :, 3]
    patterns = [_to_pattern(*chain, scale) for chain in _nested_contours(lines, parents)]
    found = [pattern for pattern in patterns if pattern is not None]
    return found if len(found) <= MAX_PATTERNS else []


def bound_code(patterns: Sequence[FinderPattern]) -> Box | None:
    """The box around the patterns that may be corners of one code; None without two such."""
    pairs = [pair for pair in combinations(patterns, 2) if _may_be_one_code(*pair)]
    if not pairs:
        return None
    corners = [pattern for pair in pairs for pattern in pair]
    reach = _HALF_PATTERN * max(pattern.side for pattern in corners)
    xs, ys = [pattern.x for pattern in corners], [pattern.y for pattern in corners]
    left, right = round(min(xs) - reach), round(max(xs) + reach)
    top, bottom = round(min(ys) - reach), round(max(ys) + reach)
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _nested_contours(
    contours: Sequence[Contour], parents: npt.NDArray[np.int32]
) -> Iterator[tuple[Contour, Contour, Contour]]:
    """Filled contours in contours in contours, if their lengths may be those of a pattern."""
    lengths = np.array([len(contour) for contour in contours])
    ratio = lengths[parents] / lengths
    holes = np.zeros_like(lengths)  # the longest contour within each
    np.maximum.at(holes, parents[parents >= 0], lengths[parents >= 0])
    has_ring = (parents >= 0) & (parents[parents] >= 0) & (lengths >= _MIN_CONTOUR)
    has_ring &= holes <= _MAX_HOLE * lengths
    outside = parents[parents]
    around = parents[outside]
    has_ring &= (around < 0) | (lengths[around] >= _MIN_AROUND * lengths[outside])
    for n in np.flatnonzero(has_ring & (ratio > _LENGTHS[0]) & (ratio < _LENGTHS[1])).tolist():
        parent = int(parents[n])
        yield contours[n], contours[parent], contours[int(parents[parent])]


def _to_pattern(
    center: Contour, inside: Contour, outside: Contour, scale: float
) -> FinderPattern | None:
    area = cv2.contourArea(center) + len(center) / 2 + 1  # contours run through middles of pixels
    ring_inside = (cv2.contourArea(inside) - len(inside) / 2) / area
    ring_outside = (cv2.contourArea(outside) + len(outside) / 2) / area
    if not (_INSIDE[0] < ring_inside < _INSIDE[1] and _OUTSIDE[0] < ring_outside < _OUTSIDE[1]):
        return None
    (x, y), (width, height), _ = cv2.minAreaRect(center)
    (ring_x, ring_y), _, _ = cv2.minAreaRect(inside)
    side, width, height = area**0.5, width + 1, height + 1
    is_square = max(width, height) < _MAX_ELONGATION * min(width, height)
    is_concentric = np.hypot(x - ring_x, y - ring_y) < _MAX_OFFSET * side
    if not (is_square and is_concentric and area > _MIN_FILLED * width * height):
        return None
    return FinderPattern(x / scale, y / scale, side / scale)


def _may_be_one_code(one: FinderPattern, other: FinderPattern) -> bool:
    small, large = sorted((one.side, other.side))
    distance = np.hypot(one.x - other.x, one.y - other.y) / np.sqrt(small * large)
    return bool(large < _MAX_SIZE_RATIO * small and _DISTANCE[0] < distance < _DISTANCE[1])
