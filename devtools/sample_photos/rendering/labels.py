"""Printing on normal products: prints on shirts and mugs, labels and bar codes on packages."""

import math

import numpy as np
from PIL import Image, ImageDraw

from devtools.sample_photos.rendering.colors import (
    INK,
    WHITE,
    Color,
    blend,
    contrasting_ink,
    dye_color,
    shade,
    vivid_color,
)
from devtools.sample_photos.rendering.fonts import SANS, display_face, fit_font, font, render_text
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.sample_texts import BRANDS, PRINTS, SMALL_PRINT


def barcode(rng: Rng, width: int, height: int) -> Image.Image:
    """Return an EAN-13-like bar code: 95 modules, digits below."""
    bars = rng.integers(0, 2, 95).astype(np.uint8)
    bars[[0, 2, 46, 48, 92, 94]] = 1
    strip = Image.fromarray(np.where(bars, 20, 250).astype(np.uint8)[None, :], mode=None)
    picture = Image.new("RGB", (width, height), (250, 250, 250))
    picture.paste(
        strip.resize((int(width * 0.88), int(height * 0.78)), Image.Resampling.NEAREST),
        (int(width * 0.06), int(height * 0.04)),
    )
    digits = "".join(str(d) for d in rng.integers(0, 10, 13))
    letters = fit_font(digits, SANS, width * 0.8, height * 0.18)
    ImageDraw.Draw(picture).text((width * 0.1, height * 0.82), digits, fill=INK, font=letters)
    return picture


def _burst(pen: ImageDraw.ImageDraw, side: int, color: Color, rays: int) -> None:
    middle = side / 2
    for ray in range(rays):
        angle = math.tau * ray / rays
        tip = (middle + math.cos(angle) * middle, middle + math.sin(angle) * middle)
        pen.line((middle, middle, *tip), fill=color, width=max(side // 30, 2))
    pen.ellipse((side * 0.25, side * 0.25, side * 0.75, side * 0.75), fill=color)


def _mountain(pen: ImageDraw.ImageDraw, side: int, color: Color, _: int) -> None:
    pen.ellipse((side * 0.58, side * 0.1, side * 0.84, side * 0.36), fill=shade(color, 1.2))
    pen.polygon([(0, side * 0.9), (side * 0.4, side * 0.2), (side * 0.8, side * 0.9)], fill=color)
    pen.polygon(
        [(side * 0.4, side * 0.9), (side * 0.7, side * 0.45), (side, side * 0.9)],
        fill=shade(color, 0.75),
    )


def _flower(pen: ImageDraw.ImageDraw, side: int, color: Color, rays: int) -> None:
    for ray in range(rays):
        angle = math.tau * ray / rays
        x, y = side * (0.5 + 0.28 * math.cos(angle)), side * (0.5 + 0.28 * math.sin(angle))
        pen.ellipse((x - side * 0.16, y - side * 0.16, x + side * 0.16, y + side * 0.16), color)
    pen.ellipse((side * 0.36, side * 0.36, side * 0.64, side * 0.64), fill=(240, 200, 90))


def emblem(rng: Rng, side: int, color: Color) -> Image.Image:
    """Return a simple RGBA picture, as printed on a shirt or a mug."""
    picture = Image.new("RGBA", (side * 2, side * 2), (*color, 0))
    draw = choice(rng, (_burst, _mountain, _flower))
    draw(ImageDraw.Draw(picture), side * 2, color, integer(rng, 5, 12))
    return picture.reduce(2)


def chest_print(rng: Rng, width: int, ground: Color) -> Image.Image:
    """Return an RGBA print for a garment or mug: words, an emblem, or both."""
    color = contrasting_ink(ground) if chance(rng, 0.6) else vivid_color(rng)
    rows: list[Image.Image] = []
    if chance(rng, 0.55):
        rows.append(emblem(rng, int(width * uniform(rng, 0.5, 0.9)), color))
    if not rows or chance(rng, 0.6):
        word = choice(rng, PRINTS + BRANDS)
        rows.append(
            render_text(word, fit_font(word, display_face(rng), width, width * 0.35), color)
        )
    gap = max(width // 20, 2)
    sheet = Image.new("RGBA", (width, sum(r.height + gap for r in rows)), (*color, 0))
    top = 0
    for row in rows:
        sheet.paste(row, ((width - row.width) // 2, top))
        top += row.height + gap
    return sheet


def package_face(rng: Rng, width: int, height: int, ground: Color) -> Image.Image:
    """Return the printed RGB front of a package: brand, emblem, small print, often a bar code."""
    face = Image.new("RGB", (width, height), ground)
    pen, ink = ImageDraw.Draw(face), contrasting_ink(ground)
    if chance(rng, 0.6):
        band = vivid_color(rng) if chance(rng, 0.6) else blend(ground, WHITE, 0.7)
        top = int(height * choice(rng, (0.0, 0.3, 0.62)))
        pen.rectangle((0, top, width, top + int(height * uniform(rng, 0.12, 0.34))), fill=band)
    brand = choice(rng, BRANDS)
    letters = fit_font(brand, display_face(rng), width * uniform(rng, 0.5, 0.8), height * 0.16)
    name = render_text(brand, letters, ink)
    face.paste(name, ((width - name.width) // 2, int(height * 0.1)), name)
    if chance(rng, 0.7):
        art = emblem(rng, int(min(width, height) * 0.36), dye_color(rng))
        face.paste(art, ((width - art.width) // 2, int(height * 0.32)), art)
    _fine_print(rng, face, ink)
    return face


def _fine_print(rng: Rng, face: Image.Image, ink: Color) -> None:
    pen, size = ImageDraw.Draw(face), max(face.width // 26, 7)
    for line in range(integer(rng, 1, 4)):
        place = (face.width * 0.08, face.height * 0.72 + line * size * 1.3)
        pen.text(place, choice(rng, SMALL_PRINT), fill=ink, font=font(SANS, size))
    if chance(rng, 0.45):
        code = barcode(rng, int(face.width * 0.34), int(face.height * 0.16))
        face.paste(code, (int(face.width * 0.6), int(face.height * 0.8)))
