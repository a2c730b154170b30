"""Photos with a violating mark near an edge, each with its unmarked twin, made from real photos."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from devtools.sample_photos.rendering.colors import Color, contrasting_ink, vivid_color
from devtools.sample_photos.rendering.fonts import BOLD, display_face, fit_font, render_text
from devtools.sample_photos.rendering.random_choice import Rng, choice, uniform
from devtools.sample_photos.rendering.sample_texts import OFFERS, contact
from devtools.sample_photos.violations.qr import code

ASPECTS = {"3:4": (3, 4), "9:16": (9, 16), "4:3": (4, 3), "1:1": (1, 1)}
POSITIONS = ("top", "bottom", "left", "right", "center")

_SHORT_SIDE = 360  # pixels: marks are drawn at one scale, whatever the size of the photo was
_MAX_GAP = 0.03  # between a mark and its edge, in short sides

Mark = Callable[[Rng, int, int], Image.Image]  # of the room's width and height in pixels


@dataclass(frozen=True)
class MadePhoto:
    """A photo of the set; `base` is the index of the photo that it was made from.

    `kind` and `position` are those of the mark, both empty for a twin without one.
    """

    path: Path
    base: int
    aspect: str
    kind: str = ""
    position: str = ""


def draw_banner(rng: Rng, width: int, height: int) -> Image.Image:
    """A bar of color along the whole edge, with contact details."""
    ground = vivid_color(rng)
    long, thick = max(width, height), int(_SHORT_SIDE * uniform(rng, 0.1, 0.16))
    bar = Image.new("RGBA", (long, thick), (*ground, 255))
    line = contact(rng)
    words = render_text(
        line, fit_font(line, display_face(rng), long * 0.92, thick * 0.72), contrasting_ink(ground)
    )
    bar.alpha_composite(words, ((long - words.width) // 2, (thick - words.height) // 2))
    return bar if width >= height else bar.transpose(Image.Transpose.ROTATE_90)


def draw_contact(rng: Rng, width: int, height: int) -> Image.Image:
    """A line of outlined letters without a ground."""
    line, color, long = contact(rng), vivid_color(rng), max(width, height)
    letters = fit_font(line, BOLD, long * uniform(rng, 0.7, 0.9), _SHORT_SIDE * 0.1)
    edge: Color = choice(rng, ((0, 0, 0), (255, 255, 255)))
    words = render_text(line, letters, color, stroke=2, edge=edge)
    return words if width >= height else words.transpose(Image.Transpose.ROTATE_90)


def draw_code(rng: Rng, width: int, height: int) -> Image.Image:  # noqa: ARG001 - one signature
    """A QR code with a link."""
    return code(rng, int(_SHORT_SIDE * uniform(rng, 0.18, 0.28))).convert("RGBA")


def draw_sticker(rng: Rng, width: int, height: int) -> Image.Image:  # noqa: ARG001 - one signature
    """A round sticker with an offer and contact details."""
    side, ground = int(_SHORT_SIDE * uniform(rng, 0.22, 0.3)), vivid_color(rng)
    seal = Image.new("RGBA", (side * 2, side * 2))
    ImageDraw.Draw(seal).ellipse((2, 2, side * 2 - 2, side * 2 - 2), fill=ground)
    for number, line in enumerate((choice(rng, OFFERS), contact(rng))):
        letters = fit_font(line, BOLD, side * 1.7, side * 0.5)
        words = render_text(line, letters, contrasting_ink(ground))
        seal.alpha_composite(words, (side - words.width // 2, int(side * (0.65 + 0.4 * number))))
    return seal.reduce(2)


KINDS: dict[str, Mark] = {
    "banner": draw_banner,
    "contact": draw_contact,
    "code": draw_code,
    "sticker": draw_sticker,
}


def crop_to_aspect(photo: Image.Image, aspect: str) -> Image.Image:
    """Cut the largest part of an aspect from the center; its short side has 360 pixels."""
    wide, high = ASPECTS[aspect]
    unit = min(photo.width / wide, photo.height / high)
    width, height = wide * unit, high * unit
    left, top = (photo.width - width) / 2, (photo.height - height) / 2
    scale = _SHORT_SIDE / min(wide, high)
    return photo.resize(
        (round(wide * scale), round(high * scale)),
        Image.Resampling.BICUBIC,
        box=(left, top, left + width, top + height),
    )


def draw_mark(rng: Rng, photo: Image.Image, kind: str, position: str) -> Image.Image:
    """Draw a mark at an edge of the photo, anywhere along it, or in the center."""
    upright = position in {"left", "right"}
    room = (1, photo.height) if upright else (photo.width, 1)
    mark = KINDS[kind](rng, *room)
    free = photo.width - mark.width, photo.height - mark.height
    gap = int(_SHORT_SIDE * uniform(rng, 0, _MAX_GAP)) if kind != "banner" else 0
    along = uniform(rng, 0, 1)
    left, top = int(free[0] * along), int(free[1] * along)
    place = {
        "top": (left, gap),
        "bottom": (left, free[1] - gap),
        "left": (gap, top),
        "right": (free[0] - gap, top),
        "center": (free[0] // 2, free[1] // 2),
    }[position]
    marked = photo.copy()
    marked.paste(mark, place, mark)
    return marked


def make_photos(
    bases: Sequence[Path], folder: Path, *, of_each: int, seed: int = 0
) -> Iterator[MadePhoto]:
    """Make `of_each` marked photos of each aspect and position, kinds in turn, and their twins.

    Each is made from a photo of its own, drawn at random, and saved as JPEG.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(bases))
    for number, (aspect, position, each) in enumerate(product(ASPECTS, POSITIONS, range(of_each))):
        base, kind = int(order[number]), list(KINDS)[each % len(KINDS)]
        with Image.open(bases[base]) as stored:
            plain = crop_to_aspect(stored.convert("RGB"), aspect)
        marked = draw_mark(rng, plain, kind, position)
        for name, picture in (("plain", plain), ("marked", marked)):
            picture.save(folder / f"{number:04}-{name}.jpg", quality=90)
        yield MadePhoto(folder / f"{number:04}-plain.jpg", base, aspect)
        yield MadePhoto(folder / f"{number:04}-marked.jpg", base, aspect, kind, position)
