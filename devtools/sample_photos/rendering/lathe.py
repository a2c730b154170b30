"""Surfaces of revolution (mugs, bottles, jars, pots) from a profile and a wrapped picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from devtools.sample_photos.rendering.pixels import Field, as_floats, as_image
from devtools.sample_photos.rendering.shading import Light, diffuse_light, specular_light

Profile = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class BodyView:
    """Light, gloss and camera tilt of a rendered body.

    Attributes:
        light: direction of the light.
        gloss: highlight strength, 0..1.
        tilt: camera tilt: a circle of radius r appears as an ellipse of height r * tilt.
    """

    light: Light
    gloss: float
    tilt: float


def revolve(profile: Profile, wrap: Field, view: BodyView, width: int, height: int) -> Image.Image:
    """Return the RGBA sprite of a body of revolution about its vertical axis.

    Args:
        profile: (share of the height from the top, radius as a share of half the width).
        wrap: albedo of the front half, (rows, columns, 3), 0..255, left to right by angle.
        view: light, gloss and camera tilt.
        width: width of the body at radius 1, in pixels; also of the sprite.
        height: distance from the top circle's center to the bottom's, in pixels. The sprite
            is taller by the two half ellipses.
    """
    shares = [share for share, _ in profile]
    radii = [radius * (width / 2 - 1) for _, radius in profile]
    room = rim_row(profile, view, width)
    rows = as_floats(np.arange(height + 2 * room))[:, None] - room
    columns = as_floats(np.arange(width))[None, :] - (width - 1) / 2
    first = as_floats(np.interp(rows / height, shares, radii))
    # A point nearer to the camera appears lower: find the ring that this pixel shows.
    nearness = as_floats(np.sqrt(1 - np.clip(columns / first, -1, 1) ** 2))
    ring = rows - first * nearness * np.float32(view.tilt)
    radius = as_floats(np.interp(ring / height, shares, radii))
    sine = as_floats(np.clip(columns / radius, -1, 1))
    inside = np.clip(radius - np.abs(columns) + 0.5, 0, 1)
    inside = inside * np.clip(ring + 0.5, 0, 1) * np.clip(height - ring + 0.5, 0, 1)
    slope = as_floats((np.interp((ring + 2) / height, shares, radii) - radius) / 2)
    sprite = _lit_body(_wrapped(wrap, sine, as_floats(ring / height)), sine, slope, view)
    sprite.putalpha(as_image(inside * 255))
    return sprite


def rim_row(profile: Profile, view: BodyView, width: int) -> int:
    """Return the row of the sprite at which the center of the top circle lies."""
    return int(max(radius for _, radius in profile) * (width / 2 - 1) * view.tilt) + 2


def _wrapped(wrap: Field, sine: Field, share: Field) -> Field:
    """Return the color of the wrap at each pixel, by angle and height."""
    across = (np.arcsin(sine) / np.pi + 0.5) * (wrap.shape[1] - 1)
    down = np.clip(share, 0, 1) * (wrap.shape[0] - 1)
    return as_floats(wrap[down.astype(np.intp), across.astype(np.intp)])


def _lit_body(color: Field, sine: Field, slope: Field, view: BodyView) -> Image.Image:
    cosine = as_floats(np.sqrt(1 - sine**2))
    length = as_floats(np.sqrt(1 + slope**2))
    nx, ny, nz = sine / length, -slope / length, cosine / length
    brightness = diffuse_light(nx, ny, nz, view.light) * (0.55 + 0.45 * np.sqrt(cosine))
    shaded = color * brightness[..., None]
    if view.gloss > 0:
        # The reflection of a window beside the camera: one soft vertical streak.
        streak = np.exp(-(((sine - 0.55 * np.sign(view.light.x)) / 0.09) ** 2))
        shaded += (view.gloss * 170) * (specular_light(nx, ny, nz, view.light) + 0.5 * streak)[
            ..., None
        ]
    return as_image(as_floats(shaded)).convert("RGBA")
