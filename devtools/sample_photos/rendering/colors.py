"""Realistic colors of products."""

import colorsys

from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, uniform

Color = tuple[int, int, int]

WHITE: Color = (244, 243, 240)
INK: Color = (38, 38, 42)

_NEUTRALS: tuple[Color, ...] = (
    (236, 233, 226),
    (222, 214, 200),
    (52, 53, 58),
    (92, 94, 99),
    (150, 150, 150),
    (34, 42, 64),
    (186, 164, 136),
    (118, 88, 66),
)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """Return the RGB color (0..255) of a hue, saturation and value, each 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def vivid_color(rng: Rng) -> Color:
    """Return a saturated color of any hue."""
    return hsv(rng.random(), uniform(rng, 0.45, 0.78), uniform(rng, 0.45, 0.86))


def muted_color(rng: Rng) -> Color:
    """Return a greyish color of any hue."""
    return hsv(rng.random(), uniform(rng, 0.12, 0.4), uniform(rng, 0.45, 0.85))


def dye_color(rng: Rng) -> Color:
    """Return a color of cloth or goods: often neutral, else muted or vivid."""
    if chance(rng, 0.45):
        return shade(choice(rng, _NEUTRALS), uniform(rng, 0.9, 1.06))
    return muted_color(rng) if chance(rng, 0.5) else vivid_color(rng)


def shade(color: Color, factor: float) -> Color:
    """Return the color darkened (factor below 1) or lightened (above 1)."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in color)
    return red, green, blue


def blend(first: Color, second: Color, share: float) -> Color:
    """Return the mix of two colors; share 0 is the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def brightness(color: Color) -> float:
    """Return the luma of a color, 0..255 (weights of ITU-R BT.601)."""
    red, green, blue = color
    return 0.299 * red + 0.587 * green + 0.114 * blue


def contrasting_ink(ground: Color) -> Color:
    """Return a dark color for a light background, white for a dark one."""
    return INK if brightness(ground) > _MIDDLE_GREY else WHITE


_MIDDLE_GREY = 140.0
