"""What is woven or printed into cloth: stripes, checks, dots, plain dye."""

from collections.abc import Callable

import numpy as np

from stack.catalogue.craft.colours import WHITE, Colour, blend, dyed, shaded
from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.catalogue.craft.noise import fractal
from stack.catalogue.craft.pixels import Field, floats

Weave = Callable[[Rng, int, int], Field]


def ramp(share: Field, first: Colour, second: Colour) -> Field:
    """Return an albedo that goes from one colour to another, (h, w, 3), as share goes 0 to 1."""
    low, high = floats(first), floats(second)
    surface = floats(np.clip(share, 0, 1)[..., None] * (high - low))
    surface += low
    return surface


def _band(place: Field, period: float, width: float) -> Field:
    """Return soft-edged bands, 0..1, of a share `width` of each period (pixels)."""
    distance = np.abs((place / period) % 1.0 - 0.5) * period
    return floats(np.clip(width * period / 2 - distance + 0.5, 0, 1))


def _swayed(rng: Rng, height: int, width: int) -> tuple[Field, Field]:
    """Return column and row of each pixel, moved a little: no cloth lies quite straight."""
    sway = fractal(rng, height, width, cells=(3, 3), octaves=2) * np.float32(0.012 * width)
    columns, rows = floats(np.arange(width)), floats(np.arange(height))
    return columns[None, :] + sway, rows[:, None] + sway[::-1]


def _stripes(rng: Rng, height: int, width: int) -> Field:
    x, y = _swayed(rng, height, width)
    place = y if chance(rng, 0.65) else x
    period = between(rng, 0.05, 0.14) * width
    return ramp(_band(place, period, between(rng, 0.2, 0.5)), dyed(rng), dyed(rng))


def _check(rng: Rng, height: int, width: int) -> Field:
    x, y = _swayed(rng, height, width)
    period = between(rng, 0.06, 0.16) * width
    ground = WHITE if chance(rng, 0.5) else dyed(rng)
    across, along = _band(x, period, 0.5), _band(y, period, 0.5)
    cloth = ramp(floats((across + along) / 2), ground, dyed(rng))
    if chance(rng, 0.4):
        line = np.maximum(_band(x, period, 0.07), _band(y, period, 0.07))[..., None]
        cloth = cloth * (1 - line) + floats(dyed(rng)) * line
    return cloth


def _dots(rng: Rng, height: int, width: int) -> Field:
    x, y = _swayed(rng, height, width)
    period = between(rng, 0.06, 0.12) * width
    row = np.floor(y / period)
    dx = ((x / period + 0.5 * (row % 2)) % 1.0 - 0.5) * period
    dy = ((y / period) % 1.0 - 0.5) * period
    radius = period * between(rng, 0.16, 0.3)
    inside = np.clip(radius - np.sqrt(dx**2 + dy**2) + 0.5, 0, 1).astype(np.float32)
    ground = dyed(rng)
    return ramp(inside, ground, blend(ground, WHITE, 0.8) if chance(rng, 0.6) else dyed(rng))


def _plain(rng: Rng, height: int, width: int) -> Field:
    colour = dyed(rng)
    mottled = fractal(rng, height, width, cells=(24, 24), octaves=3, gain=0.8)
    return ramp(mottled * 0.25 + 0.5, shaded(colour, 0.94), shaded(colour, 1.05))


def _faded(rng: Rng, height: int, width: int) -> Field:
    wash = fractal(rng, height, width, cells=(3, 3), octaves=4)
    colour = dyed(rng)
    return ramp(wash * 0.4 + 0.5, colour, blend(colour, WHITE, 0.35))


_WOVEN: tuple[Weave, ...] = (_plain, _plain, _plain, _faded, _stripes, _check, _dots)


def cloth(rng: Rng, height: int, width: int, *, plain: bool = False) -> Field:
    """Return the albedo of a piece of cloth, (height, width, 3), 0..255.

    Args:
        rng: source of chance.
        height: rows.
        width: columns.
        plain: dye without a woven pattern, as under a print.
    """
    weave = _plain if plain else pick(rng, _WOVEN)
    return weave(rng, height, width)


def gingham(rng: Rng, height: int, width: int) -> Field:
    """Return a chequered table cloth, which a careless model takes for a QR code."""
    period = width / whole(rng, 8, 22)
    across = _band(floats(np.arange(width)), period, 0.5)[None, :]
    along = _band(floats(np.arange(height)), period, 0.5)[:, None]
    return ramp(floats((across + along) / 2), WHITE, dyed(rng))
