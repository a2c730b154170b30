"""Perspective transforms of flat pictures."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from devtools.sample_photos.rendering.curves import Point
from devtools.sample_photos.rendering.random_choice import Rng, uniform

Corners = Sequence[Point]


def _coefficients(target: Corners, source: Corners) -> list[float]:
    """Return the 8 numbers of Pillow's PERSPECTIVE transform: target pixel -> source pixel.

    The standard linear system of a homography from four point pairs (Hartley and Zisserman,
    "Multiple View Geometry", 2nd ed., section 4.1).
    """
    rows: list[list[float]] = []
    values: list[float] = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        values += [u, v]
    return [float(c) for c in np.linalg.solve(np.array(rows), np.array(values))]


def rectangle(width: float, height: float) -> list[Point]:
    """Return the corners of a rectangle: top left, top right, bottom right, bottom left."""
    return [(0, 0), (width, 0), (width, height), (0, height)]


def warp(picture: Image.Image, target: Corners, size: tuple[int, int]) -> Image.Image:
    """Return the picture with its four corners moved to target, on a canvas of the given size."""
    numbers = _coefficients(target, rectangle(*picture.size))
    return picture.transform(
        size, Image.Transform.PERSPECTIVE, numbers, resample=Image.Resampling.BILINEAR
    )


def project_texture(texture: Image.Image, window: Corners, size: tuple[int, int]) -> Image.Image:
    """Return the part of a texture inside `window` (pixels), projected to a frame of a size."""
    numbers = _coefficients(rectangle(*size), window)
    return texture.transform(
        size, Image.Transform.PERSPECTIVE, numbers, resample=Image.Resampling.BILINEAR
    )


def tilt(rng: Rng, sprite: Image.Image, *, turn: float, lean: float) -> Image.Image:
    """Return a flat sprite as a hand-held camera sees it: rotated, then keystoned.

    Args:
        rng: source of chance.
        sprite: RGBA picture.
        turn: degrees, counter-clockwise.
        lean: how much narrower the far side gets, as a share of the width (0..0.3).
    """
    width, height = sprite.size
    angle = math.radians(turn)
    cosine, sine = math.cos(angle), math.sin(angle)
    frame = [(x - width / 2, y - height / 2) for x, y in rectangle(width, height)]
    spun = [(x * cosine + y * sine, y * cosine - x * sine) for x, y in frame]
    reach = max(abs(y) for _, y in spun)
    narrow, skew = uniform(rng, 0, lean), uniform(rng, -lean, lean) * 0.3
    seen = []
    for x, y in spun:
        far = (1 - y / reach) / 2
        seen.append((x * (1 - narrow * far) + skew * far * width, y * (1 - lean * 0.3)))
    left, top = min(x for x, _ in seen), min(y for _, y in seen)
    corners = [(x - left + 1, y - top + 1) for x, y in seen]
    size = (int(max(x for x, _ in corners)) + 2, int(max(y for _, y in corners)) + 2)
    return warp(sprite, corners, size)
