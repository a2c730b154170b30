"""Packages: printed cartons in the round, pouches and books lying flat."""

import math

import numpy as np
from PIL import Image, ImageEnhance

from devtools.sample_photos.rendering.colors import blend, dye_color, shade
from devtools.sample_photos.rendering.curves import Point, outline_mask
from devtools.sample_photos.rendering.geometry import warp
from devtools.sample_photos.rendering.labels import package_face
from devtools.sample_photos.rendering.noise import cloth_folds
from devtools.sample_photos.rendering.pixels import as_floats
from devtools.sample_photos.rendering.random_choice import Rng, chance, uniform
from devtools.sample_photos.rendering.shading import Light, pillow_heights, render_relief

_DISTANCE = 4.5

Spot = tuple[float, float, float]


def _seen(spot: Spot, yaw: float, pitch: float) -> Point:
    """Return where a point of the box (x right, y down, z away) lands before the camera."""
    x, y, z = spot
    x, z = x * math.cos(yaw) - z * math.sin(yaw), x * math.sin(yaw) + z * math.cos(yaw)
    y, z = y * math.cos(pitch) + z * -math.sin(pitch), y * math.sin(pitch) + z * math.cos(pitch)
    scale = _DISTANCE / (_DISTANCE + z)
    return x * scale, y * scale


def _faces(width: float, height: float, depth: float, yaw: float) -> list[list[Spot]]:
    """Return top, side and front of a box as corner lists, far to near."""
    x, y, z = width / 2, height / 2, depth / 2
    front = [(-x, -y, -z), (x, -y, -z), (x, y, -z), (-x, y, -z)]
    top = [(-x, -y, z), (x, -y, z), (x, -y, -z), (-x, -y, -z)]
    if yaw < 0:
        side = [(x, -y, -z), (x, -y, z), (x, y, z), (x, y, -z)]
    else:
        side = [(-x, -y, z), (-x, -y, -z), (-x, y, -z), (-x, y, z)]
    return [top, side, front]


def carton(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a printed carton standing on a table, RGBA, cropped to its outline."""
    width, height = uniform(rng, 0.8, 1.4), uniform(rng, 0.8, 1.7)
    depth = uniform(rng, 0.35, 1.0)
    yaw = uniform(rng, 0.25, 0.7) * (1 if chance(rng, 0.5) else -1)
    pitch = uniform(rng, 0.2, 0.5)
    spots = _faces(width, height, depth, yaw)
    corners = [[_seen(spot, yaw, pitch) for spot in face] for face in spots]
    flat = np.array([corner for face in corners for corner in face])
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = (side - 2) / float((high - low).max())
    ground = blend(dye_color(rng), (190, 150, 105), 0.9 if chance(rng, 0.3) else 0.0)
    towards = 0.5 - 0.5 * (1 if yaw > 0 else -1) * light.x
    factors = (1.08, 0.6 + 0.3 * towards, 0.96 - 0.2 * towards)
    sprite = Image.new("RGBA", (side, side))
    for face, factor, size in zip(corners, factors, _prints(width, height, depth), strict=True):
        printed = package_face(rng, *size, ground)
        print_lit = ImageEnhance.Brightness(printed).enhance(factor).convert("RGBA")
        place = [((x - low[0]) * scale + 1, (y - low[1]) * scale + 1) for x, y in face]
        sprite.alpha_composite(warp(print_lit, place, sprite.size))
    return sprite.crop(sprite.getchannel("A").getbbox())


def _prints(width: float, height: float, depth: float) -> list[tuple[int, int]]:
    unit = 240
    sizes = [(width, depth), (depth, height), (width, height)]
    return [(int(across * unit), int(down * unit)) for across, down in sizes]


def pouch(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a filled foil or paper pouch, RGBA, side pixels high."""
    width = int(side * uniform(rng, 0.62, 0.8))
    ground = dye_color(rng)
    face = package_face(rng, width, side, ground)
    bulge = uniform(rng, 0.01, 0.03)
    outline = [(0.04, 0.02), (0.96, 0.02), (0.97 + bulge, 0.5), (0.95, 0.98), (0.05, 0.98),
               (0.03 - bulge, 0.5)]  # fmt: skip
    shape = outline_mask([outline], width, side)
    surface = pillow_heights(shape, softness=side * 0.12, depth=side * 0.14)
    surface = surface + cloth_folds(rng, side, width, cells=(4, 3), depth=side * 0.008)
    albedo = as_floats(face)
    albedo[: int(side * 0.07)] = shade(ground, 0.85)
    return render_relief(albedo, shape, surface, light, gloss=uniform(rng, 0.1, 0.6))


def book(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a book or notebook seen from above, RGBA, side pixels high."""
    width = int(side * uniform(rng, 0.66, 0.8))
    face = package_face(rng, width, side, dye_color(rng))
    shape = outline_mask([[(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]], width, side)
    surface = pillow_heights(shape, softness=side * 0.012, depth=side * 0.012)
    albedo = as_floats(face)
    albedo[:, int(width * 0.06) : int(width * 0.075)] *= 0.72
    return render_relief(albedo, shape, surface, light, gloss=uniform(rng, 0, 0.15))
