"""Shading: render a flat outline as a rounded, lit surface."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from devtools.sample_photos.rendering.colors import Color
from devtools.sample_photos.rendering.pixels import Field, as_floats, as_image, resize_field
from devtools.sample_photos.rendering.random_choice import Rng, chance, uniform

_AMBIENT = 0.42
_SHINE_POWER = 24


@dataclass(frozen=True)
class Light:
    """Unit vector towards the light, in image axes (x right, y down, z to the camera)."""

    x: float
    y: float
    z: float


def random_light(rng: Rng) -> Light:
    """Return a light above the scene, to the left or to the right."""
    side = uniform(rng, 0.25, 0.65) * (1 if chance(rng, 0.5) else -1)
    vector = np.array([side, uniform(rng, -0.6, -0.25), 0.75])
    x, y, z = vector / np.linalg.norm(vector)
    return Light(float(x), float(y), float(z))


def diffuse_light(nx: Field, ny: Field, nz: Field, light: Light) -> Field:
    """Return the Lambert shading, 1.0 where the surface faces the camera."""
    facing = np.maximum(nx * light.x + ny * light.y + nz * light.z, 0)
    flat = _AMBIENT + (1 - _AMBIENT) * light.z
    return as_floats((_AMBIENT + (1 - _AMBIENT) * facing) / flat)


def specular_light(nx: Field, ny: Field, nz: Field, light: Light) -> Field:
    """Return the highlight, 0..1 (Blinn's half vector, viewer on the z axis)."""
    half = np.array([light.x, light.y, light.z + 1.0])
    hx, hy, hz = half / np.linalg.norm(half)
    return as_floats(np.maximum(nx * hx + ny * hy + nz * hz, 0) ** _SHINE_POWER)


def surface_normals(height_map: Field) -> tuple[Field, Field, Field]:
    """Return the unit normals of a height map in pixels, each (height, width)."""
    slope_y, slope_x = np.gradient(height_map)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    return -slope_x / length, -slope_y / length, (1 / length).astype(np.float32)


def pillow_heights(shape: Image.Image, *, softness: float, depth: float) -> Field:
    """Return a height map that rises from the mask's edge inwards, in pixels.

    Computed at a reduced size, since it is smooth.

    Args:
        shape: L mask.
        softness: how far from its edge the surface keeps rising, in pixels.
        depth: height in the middle, in pixels.
    """
    shrink = 3
    small = shape.reduce(shrink)
    padded = Image.new("L", (small.width + 8, small.height + 8), 0)
    padded.paste(small, (4, 4))
    soft = padded.filter(ImageFilter.GaussianBlur(softness / shrink))
    inner = as_floats(soft)[4:-4, 4:-4] / 255
    rounded = np.sqrt(np.clip(inner * 2 - 0.75, 0, 1))
    return resize_field(as_floats(depth * (0.5 * rounded + 0.5 * inner)), *shape.size[::-1])


def flat_albedo(color: Color, height: int, width: int) -> Field:
    """Return an albedo of one color, (height, width, 3), 0..255."""
    return np.full((height, width, 3), color, dtype=np.float32)


def render_relief(
    albedo: Field, shape: Image.Image, height_map: Field, light: Light, *, gloss: float = 0.0
) -> Image.Image:
    """Return the lit RGBA sprite of an albedo (h, w, 3), 0..255, within an L mask.

    Args:
        albedo: unlit colors.
        shape: L mask, becomes the alpha channel.
        height_map: surface heights in pixels, (h, w).
        light: direction of the light.
        gloss: strength of the highlight, 0 (cloth) .. 1 (polished metal).
    """
    nx, ny, nz = surface_normals(height_map)
    color = albedo * diffuse_light(nx, ny, nz, light)[..., None]
    if gloss > 0:
        color += (gloss * 200) * specular_light(nx, ny, nz, light)[..., None]
    sprite = as_image(color).convert("RGBA")
    sprite.putalpha(shape)
    return sprite
