"""Rendered knives and pistols."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops

from devtools.sample_photos.products.shop import product_scene
from devtools.sample_photos.rendering.camera import expose
from devtools.sample_photos.rendering.colors import Color, hsv, shade
from devtools.sample_photos.rendering.compose import paste_flat
from devtools.sample_photos.rendering.curves import (
    Point,
    ellipse_arc,
    line_mask,
    lines_mask,
    outline_mask,
    smooth_curve,
)
from devtools.sample_photos.rendering.geometry import tilt
from devtools.sample_photos.rendering.noise import fractal_noise
from devtools.sample_photos.rendering.pixels import as_floats
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, uniform
from devtools.sample_photos.rendering.scene import View, make_scene
from devtools.sample_photos.rendering.shading import (
    Light,
    flat_albedo,
    pillow_heights,
    render_relief,
)

_BLADES: tuple[Sequence[Point], ...] = (
    ((0.36, 0.40), (0.78, 0.40), (0.9, 0.415), (0.985, 0.455), (0.9, 0.535), (0.78, 0.575),
     (0.6, 0.585), (0.36, 0.58)),
    ((0.36, 0.42), (0.7, 0.42), (0.82, 0.45), (0.98, 0.42), (0.9, 0.53), (0.76, 0.585),
     (0.55, 0.58), (0.36, 0.58)),
    ((0.36, 0.43), (0.8, 0.43), (0.985, 0.5), (0.8, 0.57), (0.36, 0.57)),
)  # fmt: skip
_GRIP: Sequence[Point] = ((0.02, 0.43), (0.08, 0.41), (0.2, 0.43), (0.34, 0.42), (0.345, 0.58),
                          (0.2, 0.575), (0.08, 0.6), (0.02, 0.57))  # fmt: skip
_SLIDE: Sequence[Point] = ((0.05, 0.22), (0.07, 0.2), (0.93, 0.2), (0.95, 0.22), (0.95, 0.36),
                           (0.05, 0.36))  # fmt: skip
_FRAME: Sequence[Point] = ((0.08, 0.36), (0.88, 0.36), (0.87, 0.43), (0.6, 0.44), (0.5, 0.46),
                           (0.36, 0.47), (0.32, 0.52), (0.36, 0.8), (0.34, 0.84), (0.12, 0.86),
                           (0.1, 0.82), (0.09, 0.6), (0.04, 0.44))  # fmt: skip
_BUTT: Sequence[Point] = ((0.12, 0.48), (0.29, 0.48), (0.33, 0.8), (0.13, 0.82))
_REVOLVER: Sequence[Point] = ((0.3, 0.27), (0.97, 0.27), (0.97, 0.36), (0.55, 0.4), (0.55, 0.48),
                              (0.32, 0.5), (0.26, 0.42), (0.26, 0.3))  # fmt: skip
_STOCK: Sequence[Point] = ((0.3, 0.34), (0.33, 0.48), (0.26, 0.6), (0.22, 0.78), (0.12, 0.86),
                           (0.06, 0.8), (0.1, 0.6), (0.18, 0.42), (0.22, 0.33))  # fmt: skip


def _part(
    outline: Sequence[Point], side: int, color: Color, light: Light, *, swell: float, gloss: float
) -> Image.Image:
    shape = outline_mask([outline], side, side)
    surface = pillow_heights(shape, softness=side * swell, depth=side * swell)
    return render_relief(flat_albedo(color, side, side), shape, surface, light, gloss=gloss)


def _steel(rng: Rng, outline: Sequence[Point], side: int, light: Light) -> Image.Image:
    """Return a blade: brushed along its length, brighter along the ground edge."""
    shape = outline_mask([outline], side, side)
    rows = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    brushed = fractal_noise(rng, side, side, cells=(120, 2), octaves=2) * 9
    sheen = 60 * np.exp(-(((rows - uniform(rng, 0.44, 0.5)) / 0.03) ** 2))
    bevel = np.where(rows > uniform(rng, 0.51, 0.54), 34, -14)
    tone = uniform(rng, 128, 178)
    albedo = np.repeat((tone + brushed + sheen + bevel)[..., None], 3, axis=2)
    albedo = albedo * np.array([0.98, 1.0, 1.03], dtype=np.float32)
    surface = pillow_heights(shape, softness=side * 0.008, depth=side * 0.01)
    return render_relief(as_floats(albedo), shape, surface, light, gloss=0.35)


def knife(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a dagger or hunting knife, RGBA, cropped to its outline, side pixels long."""
    grip_color = choice(rng, ((34, 34, 38), (84, 54, 34), (60, 66, 52), (120, 26, 26)))
    sprite = _steel(rng, choice(rng, _BLADES), side, light)
    grip = _part(smooth_curve(_GRIP), side, grip_color, light, swell=0.05, gloss=0.15)
    sprite.alpha_composite(grip)
    bands = [[(x, 0.45), (x + 0.01, 0.56)] for x in (0.09, 0.19, 0.29)]
    rings = lines_mask(bands, side, side, thickness=0.012)
    sprite.paste((*shade(grip_color, 1.7), 255), (0, 0, side, side), rings)
    guard = [(0.335, 0.36), (0.37, 0.36), (0.375, 0.64), (0.34, 0.64)]
    sprite.alpha_composite(_part(guard, side, (150, 146, 136), light, swell=0.015, gloss=0.5))
    return sprite.crop(sprite.getchannel("A").getbbox())


def _trigger(sprite: Image.Image, color: Color, left: float, top: float) -> None:
    side = sprite.width
    guard = line_mask(
        ellipse_arc((left, top), (0.085, 0.085), -20, 200), side, side, thickness=0.022
    )
    sprite.paste((*shade(color, 0.9), 255), (0, 0, side, side), guard)
    hook = line_mask(
        ellipse_arc((left + 0.03, top), (0.05, 0.06), 140, 210), side, side, thickness=0.016
    )
    sprite.paste((*shade(color, 1.3), 255), (0, 0, side, side), hook)


def pistol(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a self-loading pistol from the side, RGBA, cropped to its outline."""
    metal = hsv(uniform(rng, 0.55, 0.65), 0.06, uniform(rng, 0.18, 0.6))
    sprite = Image.new("RGBA", (side, side))
    _trigger(sprite, metal, 0.44, 0.48)
    sprite.alpha_composite(_part(_FRAME, side, shade(metal, 0.85), light, swell=0.02, gloss=0.3))
    sprite.alpha_composite(_part(_SLIDE, side, metal, light, swell=0.03, gloss=0.6))
    butt = choice(rng, (shade(metal, 0.6), (92, 58, 34), (26, 26, 28)))
    sprite.alpha_composite(_part(_BUTT, side, butt, light, swell=0.02, gloss=0.1))
    notches = [[(x, 0.225), (x + 0.01, 0.335)] for x in np.linspace(0.09, 0.19, 6).tolist()]
    marks = lines_mask(notches, side, side, thickness=0.007)
    port = outline_mask([[(0.48, 0.205), (0.62, 0.205), (0.62, 0.265), (0.48, 0.265)]], side, side)
    dark = (*shade(metal, 0.45), 255)
    sprite.paste(dark, (0, 0, side, side), ImageChops.lighter(marks, port))
    return sprite.crop(sprite.getchannel("A").getbbox())


def revolver(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a revolver from the side, RGBA, cropped to its outline."""
    metal = hsv(0.6, 0.05, uniform(rng, 0.25, 0.72))
    wood = hsv(uniform(rng, 0.04, 0.08), 0.6, uniform(rng, 0.25, 0.5))
    sprite = Image.new("RGBA", (side, side))
    _trigger(sprite, metal, 0.42, 0.5)
    sprite.alpha_composite(_part(_REVOLVER, side, metal, light, swell=0.03, gloss=0.6))
    sprite.alpha_composite(_part(smooth_curve(_STOCK), side, wood, light, swell=0.05, gloss=0.2))
    drum = [(0.36, 0.25), (0.52, 0.25), (0.54, 0.28), (0.54, 0.42), (0.52, 0.45), (0.36, 0.45)]
    sprite.alpha_composite(_part(drum, side, shade(metal, 0.9), light, swell=0.04, gloss=0.7))
    grooves = lines_mask(
        [[(0.4, y), (0.52, y)] for y in (0.3, 0.35, 0.4)], side, side, thickness=0.016
    )
    sprite.paste((*shade(metal, 0.5), 255), (0, 0, side, side), grooves)
    return sprite.crop(sprite.getchannel("A").getbbox())


def weapon_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo of a weapon on a table or bed, sometimes beside products."""
    next_to = chance(rng, 0.2)
    goods = choice(rng, ("garment", "book", "phone case"))
    scene = product_scene(rng, size, goods) if next_to else make_scene(rng, View.ABOVE, size)
    side = int(min(size) * uniform(rng, 0.92, 1.18))
    sprite = choice(rng, (knife, pistol, pistol, revolver))(rng, side, scene.light)
    if chance(rng, 0.5):
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    seen = tilt(rng, sprite, turn=uniform(rng, -40, 40), lean=0.1)
    center = (size[0] * uniform(rng, 0.45, 0.55), size[1] * uniform(rng, 0.45, 0.55))
    paste_flat(scene.photo, seen, center, scene.light, side * 0.025)
    return expose(rng, scene.photo)
