"""Shirts, sweaters, dresses, trousers and skirts, laid flat or on a hanger."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from devtools.sample_photos.rendering.colors import Color, shade
from devtools.sample_photos.rendering.curves import (
    Point,
    ellipse_arc,
    jitter,
    line_mask,
    lines_mask,
    mirror,
    outline_mask,
)
from devtools.sample_photos.rendering.labels import chest_print
from devtools.sample_photos.rendering.noise import cloth_folds, fractal_noise
from devtools.sample_photos.rendering.patterns import cloth
from devtools.sample_photos.rendering.pixels import Field, as_floats
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, uniform
from devtools.sample_photos.rendering.shading import Light, pillow_heights, render_relief


@dataclass(frozen=True)
class Cut:
    """The pattern of a garment in units of its square (0..1).

    Attributes:
        body: right half of the outline without sleeves, neck to hem.
        sleeve: right sleeve, or nothing.
        neck: half width of the opening at the neck; 0 for trousers and skirts.
    """

    body: Sequence[Point]
    sleeve: Sequence[Point] = ()
    neck: float = 0.1


_SHIRT_BODY = ((0.5, 0.13), (0.6, 0.09), (0.7, 0.13), (0.755, 0.3), (0.75, 0.6), (0.76, 0.93),
               (0.62, 0.945), (0.5, 0.945))  # fmt: skip
_SHORT_SLEEVE = ((0.6, 0.09), (0.72, 0.125), (0.85, 0.24), (0.95, 0.38), (0.83, 0.45),
                 (0.75, 0.36), (0.7, 0.25))  # fmt: skip
_LONG_SLEEVE = ((0.6, 0.09), (0.72, 0.125), (0.83, 0.3), (0.9, 0.55), (0.965, 0.84),
                (0.865, 0.87), (0.79, 0.6), (0.74, 0.38), (0.7, 0.25))  # fmt: skip
_DRESS_BODY = ((0.5, 0.1), (0.57, 0.06), (0.64, 0.07), (0.645, 0.2), (0.615, 0.38), (0.68, 0.6),
               (0.79, 0.94), (0.65, 0.965), (0.5, 0.97))  # fmt: skip
_TROUSERS = ((0.5, 0.05), (0.66, 0.05), (0.7, 0.2), (0.72, 0.5), (0.715, 0.95), (0.57, 0.955),
             (0.545, 0.6), (0.515, 0.31), (0.5, 0.29))  # fmt: skip
_SKIRT = ((0.5, 0.15), (0.64, 0.15), (0.68, 0.3), (0.78, 0.62), (0.87, 0.9), (0.7, 0.93),
          (0.5, 0.94))  # fmt: skip

TSHIRT = Cut(_SHIRT_BODY, _SHORT_SLEEVE)
SWEATER = Cut(_SHIRT_BODY, _LONG_SLEEVE, neck=0.085)
DRESS = Cut(_DRESS_BODY, neck=0.07)
TROUSERS = Cut(_TROUSERS, neck=0.0)
SKIRT = Cut(_SKIRT, neck=0.0)


def garment(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return the RGBA sprite of a garment, side pixels square."""
    cut = choice(rng, (TSHIRT, TSHIRT, TSHIRT, SWEATER, SWEATER, DRESS, TROUSERS, SKIRT))
    return tailored(rng, cut, side, light)


def tailored(rng: Rng, cut: Cut, side: int, light: Light) -> Image.Image:
    """Return the RGBA sprite of a garment of a given cut, side pixels square."""
    body = outline_mask([jitter(rng, mirror(cut.body), 0.004)], side, side)
    sleeves = _sleeves(rng, cut, side)
    shape = ImageChops.lighter(body, sleeves)
    printed = cut.neck > 0 and chance(rng, 0.5)
    albedo = cloth(rng, side, side, plain=printed)
    if printed:
        albedo = _with_print(rng, albedo, side)
    surface = _surface(rng, body, sleeves, side)
    details = _details(rng, cut, side)
    albedo = as_floats(albedo * (1 - 0.4 * as_floats(details)[..., None] / 255))
    sprite = render_relief(albedo, shape, surface, light)
    if cut.neck > 0:
        _open_neck(sprite, cut, side, _middle(albedo))
    return sprite


def _sleeves(rng: Rng, cut: Cut, side: int) -> Image.Image:
    if not cut.sleeve:
        return Image.new("L", (side, side), 0)
    droop = uniform(rng, -0.03, 0.05)
    right = [(x, y + droop * (x - 0.6) * 3) for x, y in cut.sleeve]
    left = [(1 - x, y) for x, y in jitter(rng, right, 0.006)]
    return outline_mask([right, left], side, side)


def _surface(rng: Rng, body: Image.Image, sleeves: Image.Image, side: int) -> Field:
    """Return heights: rounded edges of body and sleeves, and creases of the cloth."""
    swell = pillow_heights(body, softness=side * 0.02, depth=side * 0.02)
    swell = swell + pillow_heights(sleeves, softness=side * 0.02, depth=side * 0.016) * 0.7
    crease = cloth_folds(rng, side, side, cells=(3, 4), depth=side * uniform(rng, 0.008, 0.02))
    weave = fractal_noise(rng, side, side, cells=(70, 70), octaves=2, gain=0.9) * 0.07
    return as_floats(swell + crease + weave)


def _with_print(rng: Rng, albedo: Field, side: int) -> Field:
    art = chest_print(rng, int(side * uniform(rng, 0.26, 0.4)), _middle(albedo))
    layer = Image.new("RGBA", (side, side))
    layer.paste(art, ((side - art.width) // 2, int(side * uniform(rng, 0.26, 0.36))), art)
    ink = as_floats(layer)
    cover = ink[..., 3:] / 255 * 0.92
    return as_floats(albedo * (1 - cover) + ink[..., :3] * cover)


def _middle(albedo: Field) -> Color:
    red, green, blue = (round(float(part)) for part in albedo.mean(axis=(0, 1)))
    return red, green, blue


def _details(rng: Rng, cut: Cut, side: int) -> Image.Image:
    """Return seams, hems and buttons as an L mask of where cloth shows darker."""
    lines: list[list[Point]] = []
    if cut.neck > 0:
        lines.append(ellipse_arc((0.5, 0.1), (cut.neck + 0.025, 0.085), 0, 180))
        lines.append([(0.26, 0.915), (0.5, 0.925), (0.74, 0.915)])
    else:
        lines += [[(0.3, 0.1), (0.5, 0.11), (0.7, 0.1)], [(0.5, 0.06), (0.5, 0.28)]]
    if cut.sleeve:
        lines += [[(0.7, 0.13), (0.715, 0.25), (0.755, 0.36)]]
        lines += [[(0.3, 0.13), (0.285, 0.25), (0.245, 0.36)]]
        if chance(rng, 0.25):
            lines += [[(0.485, 0.18), (0.485, 0.94)], [(0.515, 0.18), (0.515, 0.94)]]
    marks = lines_mask(lines, side, side, thickness=0.005)
    return marks.filter(ImageFilter.GaussianBlur(0.7))


def _open_neck(sprite: Image.Image, cut: Cut, side: int, color: Color) -> None:
    """Draw the inside of the back in the neck opening, with a brand tag."""
    opening = outline_mask([ellipse_arc((0.5, 0.1), (cut.neck, 0.065), 0, 360)], side, side)
    inside = Image.new("RGBA", (side, side), (*shade(color, 0.55), 255))
    pen = ImageDraw.Draw(inside)
    tag = (side * 0.475, side * 0.095, side * 0.525, side * 0.13)
    pen.rectangle(tag, fill=(*shade((240, 240, 236), 0.85), 255))
    cover = ImageChops.darker(opening, sprite.getchannel("A"))
    sprite.paste(inside, (0, 0), cover)


def hung(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a garment on a wire or wooden hanger, RGBA, about side pixels high."""
    cut = choice(rng, (TSHIRT, SWEATER, DRESS, DRESS))
    sprite = Image.new("RGBA", (side, int(side * 1.1)))
    wooden = chance(rng, 0.5)
    color = (150, 104, 62, 255) if wooden else (70, 72, 78, 255)
    hook = [*ellipse_arc((0.5, 0.045), (0.032, 0.032), 170, 400), (0.5, 0.13), (0.5, 0.2)]
    line = line_mask(hook, side, sprite.height, thickness=0.012)
    sprite.paste(color, (0, 0, *sprite.size), line)
    bar = line_mask([(0.3, 0.25), (0.5, 0.175), (0.7, 0.25)], side, sprite.height, thickness=0.03)
    sprite.paste(color, (0, 0, *sprite.size), bar)
    cloth_sprite = tailored(rng, cut, side, light)
    sprite.alpha_composite(cloth_sprite, (0, sprite.height - side))
    return sprite
