"""House plants in a pot."""

import math

from PIL import Image

from devtools.sample_photos.rendering.colors import Color, blend, hsv, shade
from devtools.sample_photos.rendering.curves import Point, line_mask, outline_mask, smooth_curve
from devtools.sample_photos.rendering.lathe import BodyView, Profile, revolve
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.shading import (
    Light,
    flat_albedo,
    pillow_heights,
    render_relief,
)

_POTS: tuple[Profile, ...] = (
    ((0, 1), (0.16, 1), (0.17, 0.93), (1, 0.68)),
    ((0, 0.96), (0.5, 1), (0.94, 0.94), (1, 0.86)),
    ((0, 0.8), (0.35, 1), (0.7, 0.92), (1, 0.6)),
)
_GLAZES: tuple[Color, ...] = ((236, 234, 228), (70, 74, 80), (120, 140, 150))
_LEAF = ((0.5, 0.02), (0.66, 0.22), (0.72, 0.5), (0.62, 0.8), (0.5, 0.98), (0.38, 0.8),
         (0.28, 0.5), (0.34, 0.22))  # fmt: skip


def _leaf(width: int, length: int, color: Color, light: Light) -> Image.Image:
    shape = outline_mask([smooth_curve(_LEAF)], width, length)
    left = outline_mask([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]], width, length)
    albedo = flat_albedo(color, length, width)
    albedo[:, : width // 2] *= 0.86
    swell = pillow_heights(shape, softness=width * 0.2, depth=width * 0.16)
    swell = swell - pillow_heights(left, softness=width * 0.05, depth=width * 0.03)
    blade = render_relief(albedo, shape, swell, light, gloss=0.2)
    rib = line_mask([(0.5, 0.06), (0.5, 0.97)], width, length, thickness=0.03)
    blade.paste((*blend(color, (225, 235, 190), 0.45), 255), (0, 0, width, length), rib)
    return blade


def plant(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a potted plant, RGBA, cropped to its outline, about side pixels high."""
    sprite = Image.new("RGBA", (side, side))
    pot_width, pot_height = (
        int(side * uniform(rng, 0.34, 0.46)),
        int(side * uniform(rng, 0.26, 0.34)),
    )
    foot = side - int(side * 0.02)
    stem = (side / 2, foot - pot_height)
    _foliage(rng, sprite, stem, light)
    terracotta = hsv(uniform(rng, 0.03, 0.07), uniform(rng, 0.5, 0.7), uniform(rng, 0.6, 0.8))
    color = (
        terracotta
        if chance(rng, 0.5)
        else choice(rng, ((236, 234, 228), (70, 74, 80), (120, 140, 150)))
    )
    view = BodyView(light, uniform(rng, 0, 0.5), 0.16)
    wrap = flat_albedo(color, pot_height, pot_width)
    pot = revolve(choice(rng, _POTS), wrap, view, pot_width, pot_height)
    place = ((side - pot_width) // 2, side - pot.height)
    sprite.alpha_composite(pot, place)
    return sprite.crop(sprite.getchannel("A").getbbox())


def _foliage(rng: Rng, sprite: Image.Image, stem: Point, light: Light) -> None:
    """Fan leaves out of the pot, the drooping outer ones first, in place."""
    side = sprite.width
    green = hsv(uniform(rng, 0.22, 0.4), uniform(rng, 0.35, 0.7), uniform(rng, 0.35, 0.62))
    slim = uniform(rng, 0.16, 0.5)
    count = integer(rng, 14, 26)
    spread = uniform(rng, 50, 95)
    leaves = []
    for _ in range(5):
        length = int(side * uniform(rng, 0.3, 0.56))
        tone = shade(green, uniform(rng, 0.7, 1.25))
        leaves.append(_leaf(max(int(length * slim), 12), length, tone, light))
    for number in range(count):
        outer = 1 - number / count
        angle = (1 if number % 2 else -1) * spread * outer + uniform(rng, -12, 12)
        _sprout(sprite, choice(rng, leaves), stem, angle)


def _sprout(
    sprite: Image.Image, leaf: Image.Image, stem: tuple[float, float], angle: float
) -> None:
    turned = leaf.rotate(-angle, Image.Resampling.BILINEAR, expand=True)
    reach = leaf.height * 0.46
    x = stem[0] + math.sin(math.radians(angle)) * reach
    y = stem[1] - math.cos(math.radians(angle)) * reach
    box = (int(x - turned.width / 2), int(y - turned.height / 2))
    sprite.alpha_composite(turned, (max(box[0], 0), max(box[1], 0)))
