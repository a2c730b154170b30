"""QR codes as designers draw them: colors, dots, round or dotted finder patterns, logos."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import segno

Rng = np.random.Generator
Pixels = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

MAX_MODULE = 12  # pixels of a drawn module
_MAX_SIDE = 1200  # pixels of a drawn symbol
_FINDER = 7  # modules of a finder pattern
_SHIFT = 4  # fractional bits of OpenCV's coordinates
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class Look:
    """How a symbol is drawn; `logo` is its share of the side, `quiet` a margin in modules."""

    dark: Color = (20, 20, 20)
    light: Color = (248, 248, 248)
    modules: Literal["square", "dot"] = "square"
    finders: Literal["square", "rounded", "circle", "dotted", "dotted_ring"] = "square"
    logo: float = 0.0
    quiet: float = 4.0


def make_matrix(rng: Rng, version: int, error: str) -> tuple[str, npt.NDArray[np.bool_]]:
    """A payload that nearly fills a version, and its modules (True: dark)."""
    text = "".join(rng.choice(list(_LETTERS), 2000))
    low, high = 1, 2000  # a length that fits, and one that does not
    while high - low > 1:
        length = (low + high) // 2
        try:
            segno.make(text[:length], version=version, error=error, boost_error=False)
            low = length
        except segno.DataOverflowError:
            high = length
    payload = text[: max(round(low * rng.uniform(0.6, 1.0)), 1)]
    code = segno.make(payload, version=version, error=error, boost_error=False)
    return payload, np.array(code.matrix, dtype=bool)


def draw_symbol(matrix: npt.NDArray[np.bool_], look: Look) -> Pixels:
    """RGB pixels of a symbol with its quiet zone."""
    count = len(matrix)
    module = max(min(MAX_MODULE, _MAX_SIDE // count), 4)
    mask = np.zeros((count * module, count * module), dtype=np.uint8)
    rest = matrix.copy()
    if look.finders not in {"square", "dotted"} or look.modules == "dot":
        for x, y in _finder_corners(count):
            rest[y : y + _FINDER, x : x + _FINDER] = False
            _draw_finder(mask, (x * module, y * module), module, look.finders)
    _draw_modules(mask, rest, module, look.modules)
    if look.finders == "dotted":
        for x, y in _finder_corners(count):
            _draw_dotted_finder(mask, matrix, (x, y), module)
    margin = round(look.quiet * module)
    covered = cv2.copyMakeBorder(mask, *(margin,) * 4, cv2.BORDER_CONSTANT, value=0)
    pixels = _blend(covered.astype(np.uint8), look)
    if look.logo:
        _draw_logo(pixels, look.logo * count * module)
    return pixels


def draw_round_code(rng: Rng, module: int = 12) -> Pixels:
    """RGB pixels of a code like those of mini programs: rays of dots around a picture."""
    side = 56 * module
    mask = np.zeros((side, side), dtype=np.uint8)
    center = side / 2
    for ray in range(72):
        angle = 2 * np.pi * ray / 72
        for step in range(14, 27):
            if rng.random() < 0.5:
                at = center + module * step * np.array([np.cos(angle), np.sin(angle)])
                _disk(mask, at[0], at[1], 0.38 * module, 255)
    eye = 3.4, 3.4 - rng.uniform(0.6, 1.1), rng.uniform(1.1, 1.8)  # radii in modules
    for angle in (-0.75 * np.pi, -0.25 * np.pi, 0.75 * np.pi):
        at = center + module * 22 * np.array([np.cos(angle), np.sin(angle)])
        for radius, value in zip((4.6, *eye), (0, 255, 0, 255), strict=True):
            _disk(mask, at[0], at[1], radius * module, value)
    _disk(mask, center, center, 11 * module, 160)
    margin = 2 * module
    covered = cv2.copyMakeBorder(mask, *(margin,) * 4, cv2.BORDER_CONSTANT, value=0)
    return _blend(covered.astype(np.uint8), Look(light=(252, 252, 252)))


def _finder_corners(count: int) -> tuple[tuple[int, int], ...]:
    return (0, 0), (count - _FINDER, 0), (0, count - _FINDER)


def _draw_modules(mask: Pixels, matrix: npt.NDArray[np.bool_], module: int, shape: str) -> None:
    if shape == "square":
        mask |= np.kron(matrix.astype(np.uint8) * 255, np.ones((module, module), dtype=np.uint8))
        return
    for y, x in np.argwhere(matrix):
        _disk(mask, (x + 0.5) * module, (y + 0.5) * module, 0.45 * module, 255)


def _draw_finder(mask: Pixels, corner: tuple[int, int], module: int, shape: str) -> None:
    """A finder pattern: a ring of 7 modules around a center of 3."""
    middle = [value + 3.5 * module for value in corner]
    for half, value in ((3.5, 255), (2.5, 0), (1.5, 255)):
        if shape in {"circle", "dotted_ring"}:
            _disk(mask, middle[0], middle[1], half * module, value)
            continue
        corner_radius = half * module * (0.5 if shape == "rounded" else 0.0)
        _rounded_square(mask, middle, half * module, corner_radius, value)
    if shape == "dotted_ring":
        _disk(mask, middle[0], middle[1], 3.5 * module, 0)
        for angle in np.linspace(0, 2 * np.pi, 18, endpoint=False):
            x, y = np.array(middle) + 3 * module * np.array([np.cos(angle), np.sin(angle)])
            _disk(mask, x, y, 0.45 * module, 255)
        _disk(mask, middle[0], middle[1], 1.5 * module, 255)


def _draw_dotted_finder(
    mask: Pixels, matrix: npt.NDArray[np.bool_], corner: tuple[int, int], module: int
) -> None:
    left, top = corner
    part = matrix[top : top + _FINDER, left : left + _FINDER]
    area = (
        slice(top * module, (top + _FINDER) * module),
        slice(left * module, (left + _FINDER) * module),
    )
    mask[area] = 0
    for y, x in np.argwhere(part):
        _disk(mask, (left + x + 0.5) * module, (top + y + 0.5) * module, 0.42 * module, 255)


def _rounded_square(
    mask: Pixels, middle: list[float], half: float, radius: float, value: int
) -> None:
    x, y = middle
    inner = half - radius
    for width, height in ((half, inner), (inner, half)):
        cv2.rectangle(
            mask,
            (round(x - width), round(y - height)),
            (round(x + width) - 1, round(y + height) - 1),
            value,
            -1,
        )
    if radius:
        for dx in (-inner, inner):
            for dy in (-inner, inner):
                _disk(mask, x + dx, y + dy, radius, value)


def _disk(mask: Pixels, x: float, y: float, radius: float, value: int) -> None:
    unit = 1 << _SHIFT
    at = round((x - 0.5) * unit), round((y - 0.5) * unit)
    cv2.circle(mask, at, round(radius * unit), value, -1, cv2.LINE_AA, _SHIFT)


def _blend(mask: Pixels, look: Look) -> Pixels:
    dark, light = np.array(look.dark, np.float32), np.array(look.light, np.float32)
    pixels = light + (mask.astype(np.float32) / 255)[..., None] * (dark - light)
    return pixels.round().astype(np.uint8)


def _draw_logo(pixels: Pixels, side: float) -> None:
    height, width = pixels.shape[:2]
    x, y, half = width // 2, height // 2, round(side / 2)
    cv2.rectangle(pixels, (x - half, y - half), (x + half, y + half), (255, 255, 255), -1)
    cv2.circle(pixels, (x, y), round(half * 0.8), (60, 170, 80), -1, cv2.LINE_AA)
    cv2.circle(pixels, (x, y), round(half * 0.4), (240, 200, 60), -1, cv2.LINE_AA)
