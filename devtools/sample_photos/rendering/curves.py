"""Outlines: smooth curves through a few control points, and their masks."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from devtools.sample_photos.rendering.random_choice import Rng

Point = tuple[float, float]

_STEPS = 10
_OVERSAMPLE = 2


def smooth_curve(points: Sequence[Point]) -> list[Point]:
    """Return a closed Catmull-Rom curve through the points.

    Source of the basis: Catmull and Rom, "A class of local interpolating splines" (1974).
    """
    knots = np.asarray(points, dtype=np.float64)
    before, after = np.roll(knots, 1, axis=0), np.roll(knots, -1, axis=0)
    beyond = np.roll(knots, -2, axis=0)
    t = np.linspace(0, 1, _STEPS, endpoint=False)[:, None, None]
    curve = 0.5 * (
        2 * knots
        + (after - before) * t
        + (2 * before - 5 * knots + 4 * after - beyond) * t**2
        + (3 * knots - before - 3 * after + beyond) * t**3
    )
    return [(float(x), float(y)) for x, y in curve.transpose(1, 0, 2).reshape(-1, 2)]


def mirror(half: Sequence[Point]) -> list[Point]:
    """Return the symmetric outline of a right half (x from 0.5 up), top to bottom."""
    return [*half, *((1 - x, y) for x, y in reversed(half))]


def jitter(rng: Rng, points: Sequence[Point], spread: float) -> list[Point]:
    """Return the points with Gaussian noise (standard deviation in the same unit)."""
    moves = rng.normal(0, spread, (len(points), 2))
    return [(x + float(dx), y + float(dy)) for (x, y), (dx, dy) in zip(points, moves, strict=True)]


def outline_mask(outlines: Sequence[Sequence[Point]], width: int, height: int) -> Image.Image:
    """Return an antialiased L mask of filled outlines given in units of the picture (0..1)."""
    big = Image.new("L", (width * _OVERSAMPLE, height * _OVERSAMPLE), 0)
    pen = ImageDraw.Draw(big)
    for outline in outlines:
        pen.polygon([(x * big.width, y * big.height) for x, y in outline], fill=255)
    return big.reduce(_OVERSAMPLE)


def lines_mask(
    lines: Sequence[Sequence[Point]], width: int, height: int, *, thickness: float
) -> Image.Image:
    """Return an L mask of open lines; points in units of the picture, thickness of its width."""
    big = Image.new("L", (width * _OVERSAMPLE, height * _OVERSAMPLE), 0)
    pen = ImageDraw.Draw(big)
    wide = max(round(thickness * big.width), 1)
    radius = wide / 2
    for line in lines:
        pixels = [(x * big.width, y * big.height) for x, y in line]
        pen.line(pixels, fill=255, width=wide, joint="curve")
        for x, y in (pixels[0], pixels[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return big.reduce(_OVERSAMPLE)


def line_mask(line: Sequence[Point], width: int, height: int, *, thickness: float) -> Image.Image:
    """Return an L mask of one open line; see `lines_mask`."""
    return lines_mask([line], width, height, thickness=thickness)


def ellipse_arc(
    center: Point, radii: Point, start: float, end: float, *, steps: int = 32
) -> list[Point]:
    """Return points of an ellipse from one angle to another (degrees, clockwise from right)."""
    angles = np.radians(np.linspace(start, end, steps))
    xs = center[0] + radii[0] * np.cos(angles)
    ys = center[1] + radii[1] * np.sin(angles)
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
