"""Sneakers and boots from the side, single or as a pair."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops

from devtools.sample_photos.rendering.colors import (
    WHITE,
    Color,
    blend,
    dye_color,
    shade,
    vivid_color,
)
from devtools.sample_photos.rendering.curves import (
    Point,
    line_mask,
    lines_mask,
    outline_mask,
    smooth_curve,
)
from devtools.sample_photos.rendering.noise import fractal_noise
from devtools.sample_photos.rendering.pixels import Field
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, uniform
from devtools.sample_photos.rendering.shading import (
    Light,
    flat_albedo,
    pillow_heights,
    render_relief,
)

_LOW: Sequence[Point] = ((0.06, 0.74), (0.05, 0.5), (0.08, 0.3), (0.14, 0.27), (0.22, 0.36),
                         (0.32, 0.37), (0.42, 0.3), (0.5, 0.34), (0.62, 0.47), (0.78, 0.53),
                         (0.91, 0.6), (0.95, 0.72), (0.9, 0.78), (0.5, 0.79),
                          (0.2, 0.79))  # fmt: skip
_HIGH: Sequence[Point] = ((0.06, 0.74), (0.06, 0.5), (0.09, 0.25), (0.1, 0.06), (0.2, 0.04),
                          (0.38, 0.06), (0.42, 0.16), (0.46, 0.3), (0.6, 0.46), (0.78, 0.52),
                          (0.91, 0.6), (0.95, 0.72), (0.9, 0.78), (0.5, 0.79),
                          (0.2, 0.79))  # fmt: skip
_SOLE: Sequence[Point] = ((0.05, 0.7), (0.2, 0.73), (0.5, 0.745), (0.8, 0.735), (0.96, 0.7),
                          (0.975, 0.78), (0.93, 0.86), (0.7, 0.875), (0.4, 0.87), (0.12, 0.875),
                          (0.045, 0.83))  # fmt: skip
_TOE: Sequence[Point] = ((0.72, 0.53), (0.84, 0.53), (0.96, 0.62), (0.97, 0.76), (0.74, 0.77),
                         (0.7, 0.65))  # fmt: skip
_HEEL: Sequence[Point] = ((0.04, 0.48), (0.14, 0.46), (0.2, 0.62), (0.19, 0.78), (0.04, 0.78))
_SWEEP: Sequence[Point] = ((0.24, 0.68), (0.4, 0.66), (0.56, 0.52), (0.5, 0.64), (0.36, 0.72))


def _layer(outline: Sequence[Point], within: Image.Image | None, side: int) -> Image.Image:
    shape = outline_mask([smooth_curve(outline)], side, side)
    return shape if within is None else ImageChops.darker(shape, within)


def _part(
    shape: Image.Image, color: Color, grain: Field, light: Light, depth: float
) -> Image.Image:
    side = shape.width
    swell = pillow_heights(shape, softness=side * depth, depth=side * depth)
    return render_relief(flat_albedo(color, side, side), shape, swell + grain, light, gloss=0.08)


def _laces(sprite: Image.Image, color: Color, high: bool) -> None:
    """Tie the shoe, a boot with two more rows, in place."""
    side = sprite.width
    first = 2 if high else 0
    rows = [(0.4 + 0.042 * row, 0.36 + 0.034 * row) for row in range(-first, 5)]
    lines = [[(x - 0.05, y + 0.055), (x + 0.035, y - 0.005)] for x, y in rows]
    lace = lines_mask(lines, side, side, thickness=0.016)
    shadow = ImageChops.darker(ImageChops.offset(lace, 0, side // 160 + 1), sprite.getchannel("A"))
    sprite.paste(shade(color, 0.4), (0, 0, side, side), shadow)
    sprite.paste(color, (0, 0, side, side), lace)


def shoe(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a sneaker or boot from the side, RGBA, cropped to its outline."""
    upper, accent = dye_color(rng), vivid_color(rng) if chance(rng, 0.5) else dye_color(rng)
    high = chance(rng, 0.35)
    body = _layer(_HIGH if high else _LOW, None, side)
    grain = fractal_noise(rng, side, side, cells=(80, 80), octaves=2, gain=0.9) * np.float32(0.1)
    sprite = _part(body, upper, grain, light, 0.05)
    trims = [(_TOE, 0.6), (_HEEL, 0.6), (_SWEEP, 0.8)]
    for outline, likely in trims:
        if chance(rng, likely):
            trim = _part(_layer(outline, body, side), accent, grain, light, 0.02)
            sprite.alpha_composite(trim)
    _laces(sprite, choice(rng, (WHITE, (40, 40, 44), accent)), high)
    sole_color = blend(WHITE, dye_color(rng), choice(rng, (0.0, 0.1, 0.9)))
    sole = _part(_layer(_SOLE, None, side), sole_color, grain, light, 0.03)
    sprite.alpha_composite(sole)
    line = line_mask([(0.05, 0.8), (0.5, 0.82), (0.96, 0.79)], side, side, thickness=0.008)
    sprite.paste(shade(sole_color, 0.7), (0, 0, side, side), line)
    if chance(rng, 0.5):
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return sprite.crop(sprite.getchannel("A").getbbox())


def pair(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a pair of shoes, one behind the other, RGBA."""
    one = shoe(rng, int(side * 0.82), light)
    sprite = Image.new("RGBA", (side, int(one.height * 1.25)))
    shift = uniform(rng, 0.1, 0.18)
    sprite.alpha_composite(one, (int(side * shift), 0))
    sprite.alpha_composite(one, (0, sprite.height - one.height))
    return sprite
