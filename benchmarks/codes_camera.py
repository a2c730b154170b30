"""Surfaces, light and cameras: what happens to a printed code until it is a photo."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.codes_symbols import Pixels, Rng

Plane = npt.NDArray[np.float32]
Point = tuple[float, float]

_FOCAL_LENGTH = 1.2  # of the long side of the photo
_MOIRE_CHANNELS = 2 * np.pi / 3  # phase between red, green and blue of a screen


def smooth_noise(rng: Rng, size: tuple[int, int], cells: int) -> Plane:
    """Smooth random values (height, width) with standard deviation 1 and `cells` bumps a side."""
    coarse = rng.normal(size=(cells + 3, cells + 3)).astype(np.float32)
    plane = np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray((plane - plane.mean()) / (plane.std() + 1e-6), np.float32)


def bend(label: Pixels, angle: float) -> tuple[Pixels, Pixels]:
    """A label on a cup that turns away by `angle` (radians) at both sides; mask of where it is."""
    height, width = label.shape[:2]
    x = np.linspace(-np.sin(angle), np.sin(angle), max(round(width * np.sin(angle) / angle), 2))
    across = (np.arcsin(x) / angle + 1) / 2 * (width - 1)
    bow = 0.25 * width * (1 - np.sqrt(1 - x**2))  # the cup is seen from above
    rows = np.arange(height + int(bow.max()) + 1)[:, None]
    map_y = (rows - (bow.max() - bow)).astype(np.float32)
    map_x = np.broadcast_to(across, map_y.shape).astype(np.float32)
    bent = cv2.remap(label, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shade = (0.5 + 0.5 * np.sqrt(1 - x**2))[:, None]
    on_label = (map_y >= 0) & (map_y <= height - 1)
    return (bent * shade).astype(np.uint8), on_label.astype(np.uint8) * 255


def crumple(rng: Rng, label: Pixels, strength: float) -> Pixels:
    """A label under creased plastic: shifted by up to `strength` of its side, with shine."""
    size = label.shape[:2]
    folds = np.abs(smooth_noise(rng, size, 3)) + 0.5 * np.abs(smooth_noise(rng, size, 7))
    dy, dx = np.gradient(cv2.GaussianBlur(folds, (0, 0), size[0] / 60))
    scale = strength * size[0] / (np.hypot(dx, dy).max() + 1e-6)
    y, x = np.indices(size, dtype=np.float32)
    map_x, map_y = (x + scale * dx).astype(np.float32), (y + scale * dy).astype(np.float32)
    moved = cv2.remap(label, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    slope = ((dx + dy) / ((dx + dy).std() + 1e-6))[..., None]
    shine = 200 * np.clip(slope - 2.0, 0, 1.5)
    return _to_levels(moved * np.clip(1 + 0.15 * slope, 0.5, 1.5) + shine)


@dataclass(frozen=True)
class Pose:
    """Where a label is: `side` in pixels of its longer side, `at` shares of width and height.

    `tilt` about an axis of the label, then `turn` in the plane of the photo, in radians.
    """

    side: float
    tilt: float
    turn: float
    at: Point


def place(photo: Pixels, label: Pixels, mask: Pixels, pose: Pose) -> Plane:
    """Put a label on a photo, in place, as a phone's lens sees it; its corners there (4, 2)."""
    height, width = label.shape[:2]
    scale = pose.side / max(height, width)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    flat = (corners - (width / 2, height / 2)) * scale
    cos, sin = np.cos(pose.turn), np.sin(pose.turn)
    flat = flat @ np.array([[cos, sin], [-sin, cos]])
    focal = _FOCAL_LENGTH * max(photo.shape[:2])
    depth = focal + flat[:, 0] * np.sin(pose.tilt)
    seen = np.stack([flat[:, 0] * np.cos(pose.tilt), flat[:, 1]], axis=1) * (focal / depth)[:, None]
    seen += np.array([pose.at[0] * photo.shape[1], pose.at[1] * photo.shape[0]])
    quad = np.asarray(seen, dtype=np.float32)
    shrink = min(1.5 * scale, 1.0)  # an average of pixels before the interpolation
    if shrink < 1.0:
        size = max(round(width * shrink), 2), max(round(height * shrink), 2)
        label = cv2.resize(label, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        corners *= (size[0] / width, size[1] / height)
    matrix = cv2.getPerspectiveTransform(corners, quad)
    canvas = photo.shape[1::-1]
    warped = cv2.warpPerspective(label, matrix, canvas, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(mask, matrix, canvas).astype(np.float32)[..., None] / 255
    photo[:] = (photo + alpha * (warped.astype(np.float32) - photo)).astype(np.uint8)
    return quad


def add_glare(rng: Rng, photo: Pixels, quad: Plane, blobs: int) -> Pixels:
    """Reflections of lamps on a code: parts are saturated, more is veiled."""
    light = np.zeros(photo.shape[:2], dtype=np.float32)
    y, x = np.indices(light.shape, dtype=np.float32)
    side = np.linalg.norm(quad[0] - quad[2]) / np.sqrt(2)
    for _ in range(blobs):
        weights = rng.dirichlet(np.ones(4))
        center = weights @ quad
        radius = side * rng.uniform(0.05, 0.14) * np.array([1.0, rng.uniform(1.0, 3.0)])
        angle = rng.uniform(0, np.pi)
        dx, dy = x - center[0], y - center[1]
        u = (dx * np.cos(angle) + dy * np.sin(angle)) / radius[0]
        v = (dy * np.cos(angle) - dx * np.sin(angle)) / radius[1]
        light += rng.uniform(120, 350) * np.exp(-np.sqrt(u**2 + v**2))
    veil = rng.uniform(0, 60)
    return _to_levels(photo * (1 - veil / 255) + veil + light[..., None])


def add_shadow(rng: Rng, photo: Pixels, quad: Plane, darkness: float) -> Pixels:
    """The edge of a shadow across a code; `darkness` is the light left in it."""
    center, angle = quad.mean(axis=0), rng.uniform(0, 2 * np.pi)
    side = np.linalg.norm(quad[0] - quad[2])
    y, x = np.indices(photo.shape[:2], dtype=np.float32)
    across = (x - center[0]) * np.cos(angle) + (y - center[1]) * np.sin(angle)
    across += side * rng.uniform(-0.25, 0.25)
    lit = 1 / (1 + np.exp(-np.clip(across / (side * rng.uniform(0.005, 0.05)), -30, 30)))
    return _to_levels(photo * (darkness + (1 - darkness) * lit)[..., None])


def darken(rng: Rng, photo: Pixels, light: float, amplified: float) -> Pixels:
    """A photo with little light: shot and read noise, partly amplified again."""
    levels = photo.astype(np.float32) * light
    noise = rng.normal(size=photo.shape).astype(np.float32) * np.sqrt(2.0 + 0.12 * levels)
    return _to_levels((levels + noise) * amplified)


def add_moire(rng: Rng, photo: Pixels) -> Pixels:
    """A photo of a screen: its grid of colored pixels, sampled by the camera."""
    y, x = np.indices(photo.shape[:2], dtype=np.float32)
    angle, period = rng.uniform(-0.2, 0.2), rng.uniform(1.9, 4.5)
    bow = 6 * smooth_noise(rng, photo.shape[:2], 2)
    u = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle) + bow) / period
    v = 2 * np.pi * (y * np.cos(angle) - x * np.sin(angle) + bow) / period
    depth = rng.uniform(0.15, 0.4)
    columns = np.stack([np.cos(u + n * _MOIRE_CHANNELS) for n in range(3)], axis=2)
    grid = 1 - depth + depth / 2 * (columns + np.cos(v)[..., None])
    return _to_levels(photo * grid)


def move(rng: Rng, photo: Pixels, pixels: float) -> Pixels:
    """Motion blur over a length in pixels."""
    side = int(pixels) | 1
    if side == 1:
        return photo
    kernel = np.zeros((side, side), dtype=np.float32)
    angle, middle = rng.uniform(0, np.pi), side / 2 - 0.5
    dx, dy = middle * np.cos(angle), middle * np.sin(angle)
    ends = (round(middle - dx), round(middle - dy)), (round(middle + dx), round(middle + dy))
    cv2.line(kernel, *ends, 1.0, 1)
    return cv2.filter2D(photo, -1, kernel / kernel.sum()).astype(np.uint8)


def defocus(photo: Pixels, radius: float) -> Pixels:
    """Blur by a disk of a radius in pixels."""
    side = 2 * int(np.ceil(radius)) + 1
    y, x = np.indices((side, side)) - side // 2
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return cv2.filter2D(photo, -1, kernel / kernel.sum()).astype(np.uint8)


def _to_levels(values: npt.NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def encode(photo: Pixels, quality: int) -> bytes:
    """The bytes of a JPEG."""
    stored = io.BytesIO()
    Image.fromarray(photo).save(stored, "JPEG", quality=quality)
    return stored.getvalue()
