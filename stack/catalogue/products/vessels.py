"""Mugs, bottles, jars and bowls: everything that a potter's wheel or a mould makes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from stack.catalogue.craft.colours import Colour, blend, dyed, hsv, shaded
from stack.catalogue.craft.curves import arc, stroke
from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.catalogue.craft.labels import chest_print, package_face
from stack.catalogue.craft.pixels import Field, floats
from stack.catalogue.craft.shading import Light, painted, pillow, relief
from stack.catalogue.craft.turned import Profile, Stand, rim_row, turned

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


def _wrapped_label(rng: Rng, wrap: Field, colour: Colour, top: float, bottom: float) -> None:
    """Paste a label around the middle of a wrap, in place."""
    rows, columns = wrap.shape[:2]
    first, last = int(rows * top), int(rows * bottom)
    left = int(columns * between(rng, 0.1, 0.2))
    face = package_face(rng, columns - 2 * left, last - first, colour)
    wrap[first:last, left : columns - left] = floats(face)


def bottle(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a bottle with cap and label, RGBA, side pixels high."""
    width = int(side * between(rng, 0.34, 0.46))
    height = int(side * 0.9)
    profile = pick(rng, _BOTTLES)
    body, cap = dyed(rng), dyed(rng)
    wrap = painted(body, height, int(width * 1.6))
    wrap[: int(height * profile[1][0])] = cap
    label = pick(rng, (blend(body, (250, 250, 246), 0.85), dyed(rng), (246, 244, 238)))
    _wrapped_label(rng, wrap, label, between(rng, 0.46, 0.56), between(rng, 0.84, 0.93))
    standing = Stand(light, between(rng, 0.3, 0.9), between(rng, 0.1, 0.24))
    sprite = turned(profile, wrap, standing, width, height)
    return _with_lid(sprite, _top(profile, standing, width), shaded(cap, 1.12))


def jar(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a cosmetics jar or a tin, RGBA, side pixels wide."""
    width, height = int(side * 0.95), int(side * between(rng, 0.5, 0.8))
    body, lid = dyed(rng), dyed(rng)
    wrap = painted(body, height, int(width * 1.5))
    wrap[: int(height * 0.28)] = lid
    _wrapped_label(rng, wrap, blend(body, (250, 250, 246), between(rng, 0, 0.9)), 0.4, 0.93)
    standing = Stand(light, between(rng, 0.2, 0.8), between(rng, 0.2, 0.4))
    sprite = turned(_JAR, wrap, standing, width, height)
    return _with_lid(sprite, _top(_JAR, standing, width), shaded(lid, 1.1))


@dataclass(frozen=True)
class _Top:
    """The top circle of a body: row of its centre and its two half axes, in pixels."""

    row: int
    radius: float
    flat: float


def _top(profile: Profile, standing: Stand, width: int) -> _Top:
    radius = profile[0][1] * (width / 2 - 1)
    return _Top(rim_row(profile, standing, width), radius, radius * standing.tilt)


def _with_lid(sprite: Image.Image, top: _Top, colour: Colour) -> Image.Image:
    """Close the top of a body with a flat lid, in place; returns the sprite."""
    middle = sprite.width / 2
    big = Image.new("L", (sprite.width * 2, sprite.height * 2), 0)
    box = (middle - top.radius, top.row - top.flat, middle + top.radius, top.row + top.flat)
    ImageDraw.Draw(big).ellipse([edge * 2 for edge in box], fill=255)
    sprite.paste((*colour, 255), (0, 0, *sprite.size), big.reduce(2))
    return sprite


def _handle(width: int, height: int, colour: Colour, light: Light) -> Image.Image:
    loop = arc((0.42, 0.5), (0.4, 0.36), -92, 92)
    shape = stroke(loop, width, height, thickness=0.2)
    swell = pillow(shape, softness=width * 0.08, depth=width * 0.2)
    return relief(painted(colour, height, width), shape, swell, light, gloss=0.4)


def mug(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a mug, often with a print, RGBA, about side pixels wide."""
    width = int(side * 0.72)
    height = int(width * between(rng, 0.85, 1.15))
    colour = dyed(rng) if chance(rng, 0.6) else (240, 238, 232)
    wrap = painted(colour, height, int(width * 1.5))
    if chance(rng, 0.65):
        _print_on(rng, wrap, colour)
    standing = Stand(light, between(rng, 0.35, 0.8), between(rng, 0.2, 0.42))
    profile = pick(rng, _MUGS)
    body = turned(profile, wrap, standing, width, height)
    drink = hsv(between(rng, 0.05, 0.1), 0.7, 0.28) if chance(rng, 0.5) else None
    _open_top(body, _top(profile, standing, width), colour, drink)
    sprite = Image.new("RGBA", (side, body.height))
    loop = _handle(int(side * 0.34), int(height * 0.72), shaded(colour, 0.92), light)
    sprite.paste(loop, (int(width * 0.9), int(body.height * 0.2)))
    left = chance(rng, 0.4)
    if left:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    sprite.alpha_composite(body, (side - width if left else 0, 0))
    return sprite


def _print_on(rng: Rng, wrap: Field, colour: Colour) -> None:
    rows, columns = wrap.shape[:2]
    art = chest_print(rng, int(columns * between(rng, 0.34, 0.5)), colour)
    art.thumbnail((columns, int(rows * 0.7)))
    layer = Image.fromarray(wrap.astype(np.uint8))
    layer.paste(art, ((columns - art.width) // 2, int((rows - art.height) * 0.5)), art)
    wrap[:] = floats(layer)


def _open_top(sprite: Image.Image, top: _Top, colour: Colour, drink: Colour | None) -> None:
    """Open the top of a body: rim, inner wall and what is in it, in place."""
    scale = 2
    big = Image.new("RGBA", (sprite.width * scale, sprite.height * scale))
    pen = ImageDraw.Draw(big)
    middle = sprite.width / 2
    inside = drink or shaded(colour, 0.78)
    fills = [(1.0, 0.0, shaded(colour, 1.08)), (0.93, 0.01, shaded(colour, 0.6))]
    fills.append((0.86, 0.1, inside))
    for share, sink, fill in fills:
        x, y = top.radius * share, top.flat * share
        low = top.row + sink * top.flat
        box = (middle - x, low - y, middle + x, low + y)
        pen.ellipse([edge * scale for edge in box], fill=(*fill, 255))
    sprite.alpha_composite(big.reduce(scale), (0, 0))


def bowl(rng: Rng, side: int, light: Light) -> Image.Image:
    """Return a bowl, RGBA, side pixels wide."""
    height = int(side * between(rng, 0.34, 0.5))
    colour = dyed(rng)
    wrap = painted(colour, height, side)
    for _ in range(whole(rng, 0, 3)):
        row = whole(rng, 4, height // 2)
        wrap[row : row + whole(rng, 3, 12)] = dyed(rng)
    standing = Stand(light, between(rng, 0.3, 0.8), between(rng, 0.25, 0.42))
    body = turned(_BOWL, wrap, standing, side, height)
    pale = blend(colour, (245, 243, 238), 0.5)
    _open_top(body, _top(_BOWL, standing, side), pale, None)
    return body
