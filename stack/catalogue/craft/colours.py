"""Colours as they are in wardrobes and kitchens."""

import colorsys

from stack.catalogue.craft.dice import Rng, between, chance, pick

Colour = tuple[int, int, int]

WHITE: Colour = (244, 243, 240)
INK: Colour = (38, 38, 42)

_NEUTRALS: tuple[Colour, ...] = (
    (236, 233, 226),
    (222, 214, 200),
    (52, 53, 58),
    (92, 94, 99),
    (150, 150, 150),
    (34, 42, 64),
    (186, 164, 136),
    (118, 88, 66),
)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the RGB colour (0..255) of a hue, saturation and value, each 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def vivid(rng: Rng) -> Colour:
    """Return a strong colour of any hue."""
    return hsv(rng.random(), between(rng, 0.45, 0.78), between(rng, 0.45, 0.86))


def muted(rng: Rng) -> Colour:
    """Return a quiet, greyish colour of any hue."""
    return hsv(rng.random(), between(rng, 0.12, 0.4), between(rng, 0.45, 0.85))


def dyed(rng: Rng) -> Colour:
    """Return a colour that goods are sold in: often neutral, else quiet or strong."""
    if chance(rng, 0.45):
        return shaded(pick(rng, _NEUTRALS), between(rng, 0.9, 1.06))
    return muted(rng) if chance(rng, 0.5) else vivid(rng)


def shaded(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (factor below 1) or lighter (above 1)."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in colour)
    return red, green, blue


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Return the mix of two colours; share 0 is the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def brightness(colour: Colour) -> float:
    """Return the luma of a colour, 0..255 (weights of ITU-R BT.601)."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


def readable_on(ground: Colour) -> Colour:
    """Return ink for a light ground, white for a dark one."""
    return INK if brightness(ground) > _MIDDLE_GREY else WHITE


_MIDDLE_GREY = 140.0
