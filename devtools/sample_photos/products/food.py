"""Fruit, often as red or orange as a flame."""

import numpy as np
from PIL import Image

from devtools.sample_photos.rendering.colors import Color, blend, hsv, shade
from devtools.sample_photos.rendering.curves import line_mask, outline_mask, smooth_curve
from devtools.sample_photos.rendering.noise import fractal_noise
from devtools.sample_photos.rendering.pixels import as_floats, as_image
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.shading import (
    Light,
    diffuse_light,
    flat_albedo,
    pillow_heights,
    render_relief,
    specular_light,
)

_KINDS = ("apple", "orange", "tomato", "lemon", "peach", "plum")


def _skin(rng: Rng, kind: str) -> tuple[Color, Color]:
    """Return the colors of the two sides of a fruit."""
    hues = {"apple": 0.99, "orange": 0.075, "tomato": 0.01, "lemon": 0.145, "peach": 0.06}
    hue = hues.get(kind, 0.86)
    value = uniform(rng, 0.4, 0.55) if kind == "plum" else uniform(rng, 0.75, 0.95)
    ripe = hsv(hue + uniform(rng, -0.015, 0.015), uniform(rng, 0.75, 0.92), value)
    if kind == "apple" and chance(rng, 0.4):
        ripe = hsv(uniform(rng, 0.2, 0.27), 0.65, 0.75)
    young = hsv(0.15, 0.6, 0.85) if kind in {"apple", "peach"} else shade(ripe, 0.86)
    return ripe, young


def ball(rng: Rng, kind: str, side: int, light: Light) -> Image.Image:
    """Return one fruit as an RGBA sprite, side pixels square."""
    ys, xs = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    squash = uniform(rng, 0.88, 1.0)
    radius = np.sqrt((xs / 0.97) ** 2 + (ys / (0.97 * squash)) ** 2)
    dip = np.exp(-((xs / 0.26) ** 2) - ((ys + 0.78 * squash) / 0.2) ** 2) * 0.8
    nz = np.sqrt(np.clip(1 - radius**2, 0.02, 1)).astype(np.float32)
    nx, ny = xs, (ys / squash + dip).astype(np.float32)
    length = np.sqrt(nx**2 + ny**2 + nz**2)
    nx, ny, nz = nx / length, ny / length, nz / length
    ripe, young = _skin(rng, kind)
    blush = np.clip(0.5 + 0.5 * fractal_noise(rng, side, side, cells=(2, 2), octaves=5), 0, 1)[
        ..., None
    ]
    albedo = as_floats(ripe) * (1 - blush * 0.6) + as_floats(young) * blush * 0.6
    pores = fractal_noise(rng, side, side, cells=(40, 40), octaves=2, gain=0.9)[..., None]
    albedo = albedo * (1 + pores * (0.05 if kind in {"orange", "lemon"} else 0.015))
    gloss = {"orange": 60, "peach": 40, "plum": 50}.get(kind, 140)
    color = albedo * (diffuse_light(nx, ny, nz, light) * (0.5 + 0.5 * nz))[..., None]
    color = color + gloss * specular_light(nx, ny, nz, light)[..., None]
    sprite = as_image(color).convert("RGBA")
    sprite.putalpha(as_image(np.clip((1 - radius) * side / 2, 0, 1) * 255))
    if kind != "orange":
        stalk = line_mask([(0.5, 0.16), (0.53, 0.03)], side, side, thickness=0.03)
        sprite.paste((86, 62, 38, 255), (0, 0, side, side), stalk)
    return sprite


def fruit(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return one to five fruits of a kind in a heap, RGBA, side pixels wide."""
    kind = choice(rng, _KINDS)
    count = integer(rng, 1, 5)
    each = int(side * (0.9 if count == 1 else uniform(rng, 0.42, 0.5)))
    sprite = Image.new("RGBA", (side, side))
    places = [(0.04, 0.2), (0.48, 0.18), (0.26, 0.02), (0.27, 0.37), (0.5, 0.5)]
    for x, y in sorted(places[:count], key=lambda place: place[1]):
        one = ball(rng, kind, each, light).rotate(uniform(rng, -40, 40), Image.Resampling.BILINEAR)
        shift = uniform(rng, -0.02, 0.02)
        place = (int(side * max(x + shift, 0)), int(side * y))
        sprite.alpha_composite(one, place)
    return sprite.crop(sprite.getchannel("A").getbbox())


def bananas(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a bunch of bananas, RGBA, side pixels square."""
    sprite = Image.new("RGBA", (side, side))
    outline = ((0.08, 0.36), (0.13, 0.33), (0.3, 0.52), (0.55, 0.57), (0.84, 0.44), (0.9, 0.47),
               (0.8, 0.62), (0.55, 0.74), (0.28, 0.68), (0.12, 0.5))  # fmt: skip
    shape = outline_mask([smooth_curve(outline)], side, side)
    swell = pillow_heights(shape, softness=side * 0.06, depth=side * 0.09)
    color = blend((238, 200, 62), (170, 190, 70), uniform(rng, 0, 0.35))
    one = render_relief(flat_albedo(color, side, side), shape, swell, light, gloss=0.15)
    tip = line_mask([(0.08, 0.36), (0.12, 0.38)], side, side, thickness=0.035)
    one.paste((92, 74, 40, 255), (0, 0, side, side), tip)
    for turn in range(integer(rng, 2, 4)):
        sprite.alpha_composite(one.rotate(12 - 13 * turn, Image.Resampling.BILINEAR))
    return sprite.crop(sprite.getchannel("A").getbbox())
