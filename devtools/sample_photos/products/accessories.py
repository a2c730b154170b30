"""Phone cases, bags and cutlery (shiny steel that is not a weapon)."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from devtools.sample_photos.rendering.colors import Color, dye_color, shade
from devtools.sample_photos.rendering.curves import (
    ellipse_arc,
    line_mask,
    lines_mask,
    outline_mask,
    smooth_curve,
)
from devtools.sample_photos.rendering.labels import chest_print
from devtools.sample_photos.rendering.noise import cloth_folds, fractal_noise
from devtools.sample_photos.rendering.patterns import cloth
from devtools.sample_photos.rendering.pixels import Field, as_floats
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.shading import (
    Light,
    flat_albedo,
    pillow_heights,
    render_relief,
)


def _rounded(width: int, height: int, radius: float) -> Image.Image:
    big = Image.new("L", (width * 3, height * 3), 0)
    box = (3, 3, width * 3 - 4, height * 3 - 4)
    ImageDraw.Draw(big).rounded_rectangle(box, radius * 3, fill=255)
    return big.reduce(3)


def phone_case(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return the back of a phone in its case, RGBA, side pixels high."""
    width = int(side * 0.49)
    shape = _rounded(width, side, width * 0.15)
    albedo = cloth(rng, side, width)
    if chance(rng, 0.4):
        middle = albedo.mean(axis=(0, 1))
        art = chest_print(rng, int(width * 0.6), (int(middle[0]), int(middle[1]), int(middle[2])))
        layer = Image.fromarray(albedo.astype(np.uint8))
        layer.paste(art, (int(width * 0.2), int(side * 0.45)), art)
        albedo = as_floats(layer)
    surface = pillow_heights(shape, softness=width * 0.05, depth=width * 0.06)
    sprite = render_relief(albedo, shape, surface, light, gloss=uniform(rng, 0.1, 0.6))
    _camera(rng, sprite, light)
    return sprite


def _camera(rng: Rng, sprite: Image.Image, light: Light) -> None:
    size = int(sprite.width * uniform(rng, 0.38, 0.46))
    island = _rounded(size, size, size * 0.25)
    swell = pillow_heights(island, softness=size * 0.06, depth=size * 0.05)
    plate = render_relief(
        flat_albedo(shade(dye_color(rng), 0.6), size, size), island, swell, light, gloss=0.3
    )
    pen = ImageDraw.Draw(plate)
    for x, y in [(0.28, 0.28), (0.28, 0.72), (0.72, 0.5)][: integer(rng, 2, 3)]:
        for radius, fill in ((0.19, (58, 60, 64)), (0.14, (14, 15, 20)), (0.05, (70, 84, 120))):
            box = ((x - radius) * size, (y - radius) * size, (x + radius) * size)
            pen.ellipse((*box, (y + radius) * size), fill=fill)
    sprite.alpha_composite(plate, (int(sprite.width * 0.08), int(sprite.width * 0.08)))


def tote(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a canvas tote or a leather handbag, RGBA, cropped to its outline."""
    leather = chance(rng, 0.5)
    top, flare = uniform(rng, 0.36, 0.46), uniform(rng, -0.03, 0.06)
    outline = [(0.14 + flare, top), (0.5, top + 0.01), (0.86 - flare, top), (0.9, 0.92),
               (0.86, 0.96), (0.5, 0.965), (0.14, 0.96), (0.1, 0.92)]  # fmt: skip
    body = outline_mask([outline], side, side)
    reach = top - uniform(rng, 0.04, 0.12)
    loop = ellipse_arc((0.5, top + 0.02), (0.2, reach), 180, 360)
    straps = line_mask(loop, side, side, thickness=0.035)
    albedo = flat_albedo(dye_color(rng), side, side) if leather else cloth(rng, side, side)
    if not leather or chance(rng, 0.3):
        _stamp(rng, albedo, side)
    swell = pillow_heights(body, softness=side * 0.05, depth=side * 0.05)
    crease = cloth_folds(rng, side, side, cells=(3, 3), depth=side * (0.006 if leather else 0.014))
    pores = fractal_noise(rng, side, side, cells=(70, 70), octaves=2, gain=0.9) * 0.12
    gloss = uniform(rng, 0.15, 0.45) if leather else 0.0
    sprite = render_relief(albedo, body, swell + crease + pores, light, gloss=gloss)
    strap_height = pillow_heights(straps, softness=side * 0.012, depth=side * 0.014)
    band = shade(dye_color(rng), 0.9) if chance(rng, 0.5) else _mean(albedo)
    handle = render_relief(flat_albedo(band, side, side), straps, strap_height, light, gloss=gloss)
    whole_bag = Image.alpha_composite(handle, sprite)
    seam = line_mask([(0.14, top + 0.06), (0.86, top + 0.06)], side, side, thickness=0.006)
    dark = Image.new("RGBA", (side, side), (*shade(_mean(albedo), 0.6), 255))
    whole_bag.paste(dark, (0, 0), ImageChops.darker(seam, body))
    return whole_bag.crop(whole_bag.getchannel("A").getbbox())


def _mean(albedo: Field) -> Color:
    red, green, blue = (round(float(part)) for part in albedo.mean(axis=(0, 1)))
    return red, green, blue


def _stamp(rng: Rng, albedo: Field, side: int) -> None:
    art = chest_print(rng, int(side * uniform(rng, 0.3, 0.46)), _mean(albedo))
    layer = Image.fromarray(albedo.astype(np.uint8))
    layer.paste(art, ((side - art.width) // 2, int(side * 0.54)), art)
    albedo[:] = as_floats(layer)


_SPOON = ((0.5, 0.03), (0.74, 0.08), (0.78, 0.19), (0.64, 0.28), (0.56, 0.34), (0.55, 0.6),
          (0.6, 0.9), (0.56, 0.97), (0.44, 0.97), (0.4, 0.9), (0.45, 0.6), (0.44, 0.34),
          (0.36, 0.28), (0.22, 0.19), (0.26, 0.08))  # fmt: skip


def cutlery(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return two to four spoons or forks side by side, RGBA, cropped to their outline."""
    width = side // 4
    shape = outline_mask([smooth_curve(_SPOON)], width, side)
    if chance(rng, 0.5):
        tines = [[(x, 0.0), (x, 0.15)] for x in (0.4, 0.5, 0.6)]
        shape = ImageChops.subtract(shape, lines_mask(tines, width, side, thickness=0.045))
    metal = choice(rng, ((196, 198, 202), (206, 176, 110), (150, 152, 158)))
    swell = pillow_heights(shape, softness=side * 0.03, depth=side * 0.05)
    one = render_relief(flat_albedo(metal, side, width), shape, swell, light, gloss=0.8)
    sprite = Image.new("RGBA", (side, side))
    count = integer(rng, 2, 4)
    for number in range(count):
        turned = one.rotate(uniform(rng, -6, 6), Image.Resampling.BILINEAR)
        middle = side / 2 + (number - (count - 1) / 2) * side * 0.17
        sprite.alpha_composite(turned, (int(middle - width / 2), 0))
    return sprite.crop(sprite.getchannel("A").getbbox())
