"""Surfaces under products: wood, stone, tiles, carpet, bedding, table cloth."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from devtools.sample_photos.rendering.colors import blend, hsv, muted_color, shade
from devtools.sample_photos.rendering.noise import cloth_folds, fractal_noise, pixel_noise
from devtools.sample_photos.rendering.patterns import cloth, gingham, ramp
from devtools.sample_photos.rendering.pixels import Field, as_floats, as_image
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.shading import Light, diffuse_light, surface_normals

Material = Callable[[Rng, int, int, Light], Field]


def wood(rng: Rng, height: int, width: int, _: Light) -> Field:
    """Return planks with growth rings and gaps, (height, width, 3), 0..255."""
    pale = hsv(uniform(rng, 0.06, 0.1), uniform(rng, 0.2, 0.55), uniform(rng, 0.55, 0.92))
    planks = integer(rng, 3, 7)
    rows = np.arange(height, dtype=np.float32)[:, None]
    plank = np.floor(rows / height * planks).astype(np.intp)
    bow = fractal_noise(rng, height, width, cells=(planks * 2, 2), octaves=3)
    tones = rng.normal(0, 0.16, planks).astype(np.float32)[plank]
    rings = np.sin(rows / height * uniform(rng, 60, 110) + bow * 5 + tones * 50)
    fibre = fractal_noise(rng, height, width, cells=(90, 3), octaves=2)
    surface = ramp(0.55 + 0.13 * rings + 0.13 * fibre + tones, shade(pale, 0.62), pale)
    edge = np.abs(rows / height * planks - np.round(rows / height * planks)) * height / planks
    gap = np.where((np.round(rows / height * planks) > 0), np.clip(edge / 2.2, 0.35, 1), 1)
    return as_floats(surface * gap[..., None])


def stone(rng: Rng, height: int, width: int, _: Light) -> Field:
    """Return veined marble or plain concrete, (height, width, 3), 0..255."""
    cloud = fractal_noise(rng, height, width, cells=(3, 3), octaves=5)
    base = blend(
        hsv(uniform(rng, 0.05, 0.65), 0.06, uniform(rng, 0.55, 0.95)), muted_color(rng), 0.08
    )
    surface = ramp(cloud * 0.2 + 0.5, shade(base, 0.9), shade(base, 1.05))
    if chance(rng, 0.55):
        ridge = fractal_noise(rng, height, width, cells=(2, 2), octaves=5, gain=0.6)
        vein = np.exp(-np.abs(ridge) * uniform(rng, 9, 16))[..., None]
        surface = as_floats(surface * (1 - vein * uniform(rng, 0.15, 0.45)))
    return as_floats(surface + 3 * pixel_noise(rng, height, width)[..., None])


def tiles(rng: Rng, height: int, width: int, _: Light) -> Field:
    """Return floor or wall tiles with joints, (height, width, 3), 0..255."""
    side = width / integer(rng, 3, 6)
    rows = np.arange(height, dtype=np.float32)[:, None]
    row = np.floor(rows / side).astype(np.intp)
    stagger = (row % 2) * np.float32(side / 2 if chance(rng, 0.4) else 0)
    column = np.floor((np.arange(width, dtype=np.float32) + stagger) / side).astype(np.intp)
    across = np.arange(width, dtype=np.float32) + stagger - column * np.float32(side)
    down = rows - row * np.float32(side)
    tones = rng.normal(0, 0.12, (row.max() + 1, column.max() + 1)).astype(np.float32)
    base = blend(muted_color(rng), (225, 220, 212), uniform(rng, 0.4, 0.95))
    cloud = fractal_noise(rng, height, width, cells=(6, 6), octaves=4) * np.float32(0.14)
    surface = ramp(0.5 + tones[row, column] + cloud, shade(base, 0.88), shade(base, 1.06))
    inner = np.minimum(np.minimum(down, side - down), np.minimum(across, side - across))
    joint = np.clip(inner / np.float32(2.5), 0, 1)[..., None]
    return as_floats(surface * joint + np.float32(150) * (1 - joint))


def carpet(rng: Rng, height: int, width: int, _: Light) -> Field:
    """Return a carpet, (height, width, 3), 0..255."""
    base = muted_color(rng)
    pile = fractal_noise(rng, height, width, cells=(60, 60), octaves=3, gain=0.9)
    worn = fractal_noise(rng, height, width, cells=(3, 3), octaves=3) * 0.15
    return ramp(0.5 + pile * 0.22 + worn, shade(base, 0.72), shade(base, 1.15))


def desk(rng: Rng, height: int, width: int, _: Light) -> Field:
    """Return a painted table top or a sheet of paper, (height, width, 3), 0..255."""
    base = blend(muted_color(rng), (235, 233, 228), uniform(rng, 0.1, 1.0))
    cloud = fractal_noise(rng, height, width, cells=(3, 4), octaves=3)
    return ramp(0.5 + cloud * 0.3, shade(base, 0.95), shade(base, 1.03))


def _draped(rng: Rng, albedo: Field, light: Light, *, cells: int, depth: float) -> Field:
    height, width = albedo.shape[:2]
    crease = cloth_folds(rng, height, width, cells=(cells, cells), depth=depth)
    return as_floats(albedo * diffuse_light(*surface_normals(crease), light)[..., None])


def bedding(rng: Rng, height: int, width: int, light: Light) -> Field:
    """Return a crumpled sheet or blanket, (height, width, 3), 0..255."""
    albedo = cloth(rng, height, width)
    pale = albedo * 0.45 + np.float32(235 * 0.55) if chance(rng, 0.6) else albedo
    depth = uniform(rng, 9, 20)
    return _draped(rng, as_floats(pale), light, cells=integer(rng, 2, 4), depth=depth)


def table_cloth(rng: Rng, height: int, width: int, light: Light) -> Field:
    """Return a chequered cloth with shallow creases, (height, width, 3), 0..255."""
    return _draped(rng, gingham(rng, height, width), light, cells=2, depth=uniform(rng, 4, 10))


GROUNDS: tuple[Material, ...] = (
    wood, wood, wood, stone, stone, tiles, carpet, desk, desk, bedding, bedding, table_cloth,
)  # fmt: skip
TABLES: tuple[Material, ...] = (wood, wood, wood, stone, desk, desk, table_cloth, tiles)


def render_material(
    rng: Rng, choices: tuple[Material, ...], size: int, light: Light
) -> Image.Image:
    """Return a square RGB picture, size pixels a side, of one of the materials seen from above."""
    surface = choice(rng, choices)(rng, size, size, light)
    return as_image(surface)
