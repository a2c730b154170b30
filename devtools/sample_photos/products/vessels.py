"""Mugs, bottles, jars and bowls."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from devtools.sample_photos.rendering.colors import Color, blend, dye_color, hsv, shade
from devtools.sample_photos.rendering.curves import ellipse_arc, line_mask
from devtools.sample_photos.rendering.labels import chest_print, package_face
from devtools.sample_photos.rendering.lathe import BodyView, Profile, revolve, rim_row
from devtools.sample_photos.rendering.pixels import Field, as_floats
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.shading import (
    Light,
    flat_albedo,
    pillow_heights,
    render_relief,
)

_BOTTLES: tuple[Profile, ...] = (
    ((0, 0.3), (0.1, 0.3), (0.11, 0.26), (0.2, 0.27), (0.34, 0.9), (0.4, 1), (0.96, 1), (1, 0.92)),
    ((0, 0.42), (0.14, 0.42), (0.15, 0.36), (0.2, 0.4), (0.26, 0.94), (0.3, 1), (1, 0.94)),
    ((0, 0.34), (0.08, 0.34), (0.09, 0.28), (0.36, 0.34), (0.5, 0.95), (0.56, 1), (1, 0.95)),
    ((0, 0.6), (0.16, 0.62), (0.17, 0.92), (0.2, 1), (0.6, 0.97), (0.98, 1), (1, 0.96)),
)
_JAR: Profile = ((0, 0.96), (0.02, 1), (0.27, 1), (0.28, 0.93), (0.32, 0.98), (1, 0.9))
_MUGS: tuple[Profile, ...] = (
    ((0, 1), (0.9, 1), (1, 0.93)),
    ((0, 1), (0.5, 0.93), (1, 0.74)),
    ((0, 0.93), (0.3, 0.98), (0.7, 1), (0.93, 0.9), (1, 0.72)),
)
_BOWL: Profile = ((0, 1), (0.35, 0.93), (0.7, 0.72), (0.92, 0.46), (1, 0.42))


def _wrapped_label(rng: Rng, wrap: Field, color: Color, top: float, bottom: float) -> None:
    """Paste a label around the middle of a wrap, in place."""
    rows, columns = wrap.shape[:2]
    first, last = int(rows * top), int(rows * bottom)
    left = int(columns * uniform(rng, 0.1, 0.2))
    face = package_face(rng, columns - 2 * left, last - first, color)
    wrap[first:last, left : columns - left] = as_floats(face)


def bottle(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a bottle with cap and label, RGBA, side pixels high."""
    width = int(side * uniform(rng, 0.34, 0.46))
    height = int(side * 0.9)
    profile = choice(rng, _BOTTLES)
    body, cap = dye_color(rng), dye_color(rng)
    wrap = flat_albedo(body, height, int(width * 1.6))
    wrap[: int(height * profile[1][0])] = cap
    label = choice(rng, (blend(body, (250, 250, 246), 0.85), dye_color(rng), (246, 244, 238)))
    _wrapped_label(rng, wrap, label, uniform(rng, 0.46, 0.56), uniform(rng, 0.84, 0.93))
    view = BodyView(light, uniform(rng, 0.3, 0.9), uniform(rng, 0.1, 0.24))
    sprite = revolve(profile, wrap, view, width, height)
    return _with_lid(sprite, _top(profile, view, width), shade(cap, 1.12))


def jar(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a cosmetics jar or a tin, RGBA, side pixels wide."""
    width, height = int(side * 0.95), int(side * uniform(rng, 0.5, 0.8))
    body, lid = dye_color(rng), dye_color(rng)
    wrap = flat_albedo(body, height, int(width * 1.5))
    wrap[: int(height * 0.28)] = lid
    _wrapped_label(rng, wrap, blend(body, (250, 250, 246), uniform(rng, 0, 0.9)), 0.4, 0.93)
    view = BodyView(light, uniform(rng, 0.2, 0.8), uniform(rng, 0.2, 0.4))
    sprite = revolve(_JAR, wrap, view, width, height)
    return _with_lid(sprite, _top(_JAR, view, width), shade(lid, 1.1))


@dataclass(frozen=True)
class _Top:
    """The top circle of a body: row of its center and its two half axes, in pixels."""

    row: int
    radius: float
    flat: float


def _top(profile: Profile, view: BodyView, width: int) -> _Top:
    radius = profile[0][1] * (width / 2 - 1)
    return _Top(rim_row(profile, view, width), radius, radius * view.tilt)


def _with_lid(sprite: Image.Image, top: _Top, color: Color) -> Image.Image:
    """Close the top of a body with a flat lid, in place; returns the sprite."""
    middle = sprite.width / 2
    big = Image.new("L", (sprite.width * 2, sprite.height * 2), 0)
    box = (middle - top.radius, top.row - top.flat, middle + top.radius, top.row + top.flat)
    ImageDraw.Draw(big).ellipse([edge * 2 for edge in box], fill=255)
    sprite.paste((*color, 255), (0, 0, *sprite.size), big.reduce(2))
    return sprite


def _handle(width: int, height: int, color: Color, light: Light) -> Image.Image:
    loop = ellipse_arc((0.42, 0.5), (0.4, 0.36), -92, 92)
    shape = line_mask(loop, width, height, thickness=0.2)
    swell = pillow_heights(shape, softness=width * 0.08, depth=width * 0.2)
    return render_relief(flat_albedo(color, height, width), shape, swell, light, gloss=0.4)


def mug(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a mug, often with a print, RGBA, about side pixels wide."""
    width = int(side * 0.72)
    height = int(width * uniform(rng, 0.85, 1.15))
    color = dye_color(rng) if chance(rng, 0.6) else (240, 238, 232)
    wrap = flat_albedo(color, height, int(width * 1.5))
    if chance(rng, 0.65):
        _print_on(rng, wrap, color)
    view = BodyView(light, uniform(rng, 0.35, 0.8), uniform(rng, 0.2, 0.42))
    profile = choice(rng, _MUGS)
    body = revolve(profile, wrap, view, width, height)
    drink = hsv(uniform(rng, 0.05, 0.1), 0.7, 0.28) if chance(rng, 0.5) else None
    _open_top(body, _top(profile, view, width), color, drink)
    sprite = Image.new("RGBA", (side, body.height))
    loop = _handle(int(side * 0.34), int(height * 0.72), shade(color, 0.92), light)
    sprite.paste(loop, (int(width * 0.9), int(body.height * 0.2)))
    left = chance(rng, 0.4)
    if left:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    sprite.alpha_composite(body, (side - width if left else 0, 0))
    return sprite


def _print_on(rng: Rng, wrap: Field, color: Color) -> None:
    rows, columns = wrap.shape[:2]
    art = chest_print(rng, int(columns * uniform(rng, 0.34, 0.5)), color)
    art.thumbnail((columns, int(rows * 0.7)))
    layer = Image.fromarray(wrap.astype(np.uint8))
    layer.paste(art, ((columns - art.width) // 2, int((rows - art.height) * 0.5)), art)
    wrap[:] = as_floats(layer)


def _open_top(sprite: Image.Image, top: _Top, color: Color, drink: Color | None) -> None:
    """Open the top of a body: rim, inner wall and what is in it, in place."""
    scale = 2
    big = Image.new("RGBA", (sprite.width * scale, sprite.height * scale))
    pen = ImageDraw.Draw(big)
    middle = sprite.width / 2
    inside = drink or shade(color, 0.78)
    fills = [(1.0, 0.0, shade(color, 1.08)), (0.93, 0.01, shade(color, 0.6))]
    fills.append((0.86, 0.1, inside))
    for share, sink, fill in fills:
        x, y = top.radius * share, top.flat * share
        low = top.row + sink * top.flat
        box = (middle - x, low - y, middle + x, low + y)
        pen.ellipse([edge * scale for edge in box], fill=(*fill, 255))
    sprite.alpha_composite(big.reduce(scale), (0, 0))


def bowl(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a bowl, RGBA, side pixels wide."""
    height = int(side * uniform(rng, 0.34, 0.5))
    color = dye_color(rng)
    wrap = flat_albedo(color, height, side)
    for _ in range(integer(rng, 0, 3)):
        row = integer(rng, 4, height // 2)
        wrap[row : row + integer(rng, 3, 12)] = dye_color(rng)
    view = BodyView(light, uniform(rng, 0.3, 0.8), uniform(rng, 0.25, 0.42))
    body = revolve(_BOWL, wrap, view, side, height)
    pale = blend(color, (245, 243, 238), 0.5)
    _open_top(body, _top(_BOWL, view, side), pale, None)
    return body
