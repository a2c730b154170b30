"""A thumb that holds a card in front of the camera."""

import math

from PIL import Image

from devtools.sample_photos.rendering.colors import blend, shade
from devtools.sample_photos.rendering.compose import paste_flat
from devtools.sample_photos.rendering.curves import ellipse_arc, outline_mask, smooth_curve
from devtools.sample_photos.rendering.geometry import tilt
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, uniform
from devtools.sample_photos.rendering.shading import (
    Light,
    flat_albedo,
    pillow_heights,
    render_relief,
)

_SKIN = ((244, 208, 180), (228, 184, 150), (198, 148, 112), (142, 96, 68), (98, 66, 48))
_THUMB = ((0.5, 0.01), (0.66, 0.04), (0.76, 0.16), (0.74, 0.32), (0.8, 0.5), (0.9, 0.75),
          (0.98, 1.05), (0.05, 1.05), (0.2, 0.7), (0.26, 0.45), (0.24, 0.3), (0.25, 0.14),
          (0.34, 0.04))  # fmt: skip


def thumb(rng: Rng, length: int, light: Light) -> Image.Image:
    """Return a thumb pointing up, RGBA, length pixels high."""
    width = int(length * 0.44)
    shape = outline_mask([smooth_curve(_THUMB)], width, length)
    skin = shade(choice(rng, _SKIN), uniform(rng, 0.92, 1.05))
    albedo = flat_albedo(skin, length, width)
    swell = pillow_heights(shape, softness=width * 0.22, depth=width * 0.3)
    sprite = render_relief(albedo, shape, swell, light, gloss=0.05)
    nail = outline_mask([ellipse_arc((0.5, 0.13), (0.15, 0.09), 0, 360)], width, length)
    flat = pillow_heights(nail, softness=width * 0.08, depth=width * 0.06)
    nail_albedo = flat_albedo(blend(skin, (250, 205, 200), 0.5), length, width)
    gloss = render_relief(nail_albedo, nail, flat, light, gloss=0.3)
    sprite.alpha_composite(gloss)
    return sprite


def hold_up(rng: Rng, photo: Image.Image, card: Image.Image, light: Light) -> None:
    """Draw a hand-held card over the photo, a thumb on its lower edge, in place."""
    turn = uniform(rng, -14, 14)
    seen = tilt(rng, card.convert("RGBA"), turn=turn, lean=0.1)
    x = photo.width * uniform(rng, 0.4, 0.6)
    y = photo.height * uniform(rng, 0.42, 0.52)
    paste_flat(photo, seen, (x, y), light, 14)
    finger = thumb(rng, int(max(seen.height, photo.height * 0.55) * 0.8), light)
    side = 1 if chance(rng, 0.6) else -1
    angle = side * uniform(rng, 15, 40)
    hand = finger.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    reach = finger.height * 0.5
    tip_x = x + side * seen.width * 0.24
    tip_y = y + seen.height * 0.34
    base = (
        tip_x + math.sin(math.radians(angle)) * reach,
        tip_y + math.cos(math.radians(angle)) * reach,
    )
    paste_flat(photo, hand, base, light, 5)
