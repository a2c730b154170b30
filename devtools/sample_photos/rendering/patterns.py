"""Patterns of cloth: stripes, checks, dots, plain colors."""

from collections.abc import Callable

import numpy as np

from devtools.sample_photos.rendering.colors import WHITE, Color, blend, dye_color, shade
from devtools.sample_photos.rendering.noise import fractal_noise
from devtools.sample_photos.rendering.pixels import Field, as_floats
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform

Weave = Callable[[Rng, int, int], Field]


def ramp(share: Field, first: Color, second: Color) -> Field:
    """Return an albedo that blends two colors by `share` (0..1), (h, w, 3)."""
    low, high = as_floats(first), as_floats(second)
    surface = as_floats(np.clip(share, 0, 1)[..., None] * (high - low))
    surface += low
    return surface


def _band(place: Field, period: float, width: float) -> Field:
    """Return soft-edged bands, 0..1, of a share `width` of each period (pixels)."""
    distance = np.abs((place / period) % 1.0 - 0.5) * period
    return as_floats(np.clip(width * period / 2 - distance + 0.5, 0, 1))


def _swayed(rng: Rng, height: int, width: int) -> tuple[Field, Field]:
    """Return column and row of each pixel with a small displacement, as cloth is never straight."""
    sway = fractal_noise(rng, height, width, cells=(3, 3), octaves=2) * np.float32(0.012 * width)
    columns, rows = as_floats(np.arange(width)), as_floats(np.arange(height))
    return columns[None, :] + sway, rows[:, None] + sway[::-1]


def _stripes(rng: Rng, height: int, width: int) -> Field:
    x, y = _swayed(rng, height, width)
    place = y if chance(rng, 0.65) else x
    period = uniform(rng, 0.05, 0.14) * width
    return ramp(_band(place, period, uniform(rng, 0.2, 0.5)), dye_color(rng), dye_color(rng))


def _check(rng: Rng, height: int, width: int) -> Field:
    x, y = _swayed(rng, height, width)
    period = uniform(rng, 0.06, 0.16) * width
    ground = WHITE if chance(rng, 0.5) else dye_color(rng)
    across, along = _band(x, period, 0.5), _band(y, period, 0.5)
    cloth = ramp(as_floats((across + along) / 2), ground, dye_color(rng))
    if chance(rng, 0.4):
        line = np.maximum(_band(x, period, 0.07), _band(y, period, 0.07))[..., None]
        cloth = cloth * (1 - line) + as_floats(dye_color(rng)) * line
    return cloth


def _dots(rng: Rng, height: int, width: int) -> Field:
    x, y = _swayed(rng, height, width)
    period = uniform(rng, 0.06, 0.12) * width
    row = np.floor(y / period)
    dx = ((x / period + 0.5 * (row % 2)) % 1.0 - 0.5) * period
    dy = ((y / period) % 1.0 - 0.5) * period
    radius = period * uniform(rng, 0.16, 0.3)
    inside = np.clip(radius - np.sqrt(dx**2 + dy**2) + 0.5, 0, 1).astype(np.float32)
    ground = dye_color(rng)
    return ramp(inside, ground, blend(ground, WHITE, 0.8) if chance(rng, 0.6) else dye_color(rng))


def _plain(rng: Rng, height: int, width: int) -> Field:
    color = dye_color(rng)
    mottled = fractal_noise(rng, height, width, cells=(24, 24), octaves=3, gain=0.8)
    return ramp(mottled * 0.25 + 0.5, shade(color, 0.94), shade(color, 1.05))


def _faded(rng: Rng, height: int, width: int) -> Field:
    wash = fractal_noise(rng, height, width, cells=(3, 3), octaves=4)
    color = dye_color(rng)
    return ramp(wash * 0.4 + 0.5, color, blend(color, WHITE, 0.35))


_WOVEN: tuple[Weave, ...] = (_plain, _plain, _plain, _faded, _stripes, _check, _dots)


def cloth(rng: Rng, height: int, width: int, *, plain: bool = False) -> Field:
    """Return the albedo of a piece of cloth, (height, width, 3), 0..255.

    Args:
        rng: source of chance.
        height: rows.
        width: columns.
        plain: dye without a woven pattern, as under a print.
    """
    weave = _plain if plain else choice(rng, _WOVEN)
    return weave(rng, height, width)


def gingham(rng: Rng, height: int, width: int) -> Field:
    """Return a chequered table cloth, which a model may take for a QR code."""
    period = width / integer(rng, 8, 22)
    across = _band(as_floats(np.arange(width)), period, 0.5)[None, :]
    along = _band(as_floats(np.arange(height)), period, 0.5)[:, None]
    return ramp(as_floats((across + along) / 2), WHITE, dye_color(rng))
