"""Surfaces of revolution: mugs, bottles, jars and pots, from a profile and a wrapped picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from stack.catalogue.craft.pixels import Field, floats, picture
from stack.catalogue.craft.shading import Light, lit, shine

Profile = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Stand:
    """How a turned body stands before the camera.

    Attributes:
        light: the lamp.
        gloss: highlight strength, 0..1.
        tilt: how far the camera looks down: a circle of radius r shows as an ellipse of
            height r * tilt.
    """

    light: Light
    gloss: float
    tilt: float


def turned(profile: Profile, wrap: Field, stand: Stand, width: int, height: int) -> Image.Image:
    """Return the RGBA sprite of a body turned around its vertical axis.

    Args:
        profile: (share of the height from the top, radius as a share of half the width).
        wrap: albedo of the front half, (rows, columns, 3), 0..255, left to right by angle.
        stand: light, gloss and camera tilt.
        width: width of the body at radius 1, in pixels; also of the sprite.
        height: distance from the top circle's centre to the bottom's, in pixels. The sprite
            is taller by the two half ellipses.
    """
    shares = [share for share, _ in profile]
    radii = [radius * (width / 2 - 1) for _, radius in profile]
    room = rim_row(profile, stand, width)
    rows = floats(np.arange(height + 2 * room))[:, None] - room
    columns = floats(np.arange(width))[None, :] - (width - 1) / 2
    first = floats(np.interp(rows / height, shares, radii))
    # A point nearer the camera shows lower: find the ring that this pixel looks at.
    nearness = floats(np.sqrt(1 - np.clip(columns / first, -1, 1) ** 2))
    ring = rows - first * nearness * np.float32(stand.tilt)
    radius = floats(np.interp(ring / height, shares, radii))
    sine = floats(np.clip(columns / radius, -1, 1))
    inside = np.clip(radius - np.abs(columns) + 0.5, 0, 1)
    inside = inside * np.clip(ring + 0.5, 0, 1) * np.clip(height - ring + 0.5, 0, 1)
    slope = floats((np.interp((ring + 2) / height, shares, radii) - radius) / 2)
    sprite = _lit_body(_wrapped(wrap, sine, floats(ring / height)), sine, slope, stand)
    sprite.putalpha(picture(inside * 255))
    return sprite


def rim_row(profile: Profile, stand: Stand, width: int) -> int:
    """Return the row of the sprite at which the centre of the top circle lies."""
    return int(max(radius for _, radius in profile) * (width / 2 - 1) * stand.tilt) + 2


def _wrapped(wrap: Field, sine: Field, share: Field) -> Field:
    """Return the colour of the wrap at each pixel, by angle and height."""
    across = (np.arcsin(sine) / np.pi + 0.5) * (wrap.shape[1] - 1)
    down = np.clip(share, 0, 1) * (wrap.shape[0] - 1)
    return floats(wrap[down.astype(np.intp), across.astype(np.intp)])


def _lit_body(colour: Field, sine: Field, slope: Field, stand: Stand) -> Image.Image:
    cosine = floats(np.sqrt(1 - sine**2))
    length = floats(np.sqrt(1 + slope**2))
    nx, ny, nz = sine / length, -slope / length, cosine / length
    brightness = lit(nx, ny, nz, stand.light) * (0.55 + 0.45 * np.sqrt(cosine))
    shaded = colour * brightness[..., None]
    if stand.gloss > 0:
        # A window beside the camera: one soft upright streak of light, as on every glazed mug.
        streak = np.exp(-(((sine - 0.55 * np.sign(stand.light.x)) / 0.09) ** 2))
        shaded += (stand.gloss * 170) * (shine(nx, ny, nz, stand.light) + 0.5 * streak)[..., None]
    return picture(floats(shaded)).convert("RGBA")
