"""Screenshots and papers instead of a product photo: chats, orders, receipts, notes."""

from dataclasses import dataclass

from PIL import Image, ImageDraw

from devtools.sample_photos.rendering.camera import expose
from devtools.sample_photos.rendering.colors import (
    Color,
    dye_color,
    hsv,
    muted_color,
    vivid_color,
)
from devtools.sample_photos.rendering.compose import paste_flat
from devtools.sample_photos.rendering.fonts import BOLD, MONO, SANS, font
from devtools.sample_photos.rendering.geometry import tilt
from devtools.sample_photos.rendering.noise import fractal_noise
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.sample_texts import BRANDS, GOODS, chat_line, handle, price
from devtools.sample_photos.rendering.scene import View, make_scene


@dataclass(frozen=True)
class _Look:
    """Colors of a screen: page, panel, text, secondary text."""

    page: Color
    panel: Color
    text: Color
    quiet: Color


_LIGHT_MODE = _Look((240, 240, 242), (255, 255, 255), (28, 28, 32), (130, 130, 138))
_DARK_MODE = _Look((18, 19, 22), (40, 42, 48), (226, 226, 230), (140, 142, 150))


def _wrapped(words: str, letters_in_line: int) -> list[str]:
    lines, line = [], ""
    for word in words.split():
        if line and len(line) + len(word) + 1 > letters_in_line:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]


def _top_bar(rng: Rng, pen: ImageDraw.ImageDraw, width: int, look: _Look, title: str) -> int:
    """Draw clock, battery and the page's title; return the first free row."""
    unit = width / 40
    pen.rectangle((0, 0, width, unit * 6), fill=look.panel)
    clock = f"{integer(rng, 0, 23)}:{integer(rng, 10, 59)}"
    pen.text((unit * 1.5, unit * 0.5), clock, look.text, font(BOLD, int(unit * 1.3)))
    pen.rounded_rectangle(
        (width - unit * 4, unit * 0.7, width - unit * 1.5, unit * 1.8), unit * 0.3, look.quiet
    )
    pen.text((unit * 1.5, unit * 3), "<", look.text, font(BOLD, int(unit * 2)))
    pen.text((unit * 13, unit * 3), title, look.text, font(BOLD, int(unit * 1.9)))
    return int(unit * 7)


def _chat(rng: Rng, size: tuple[int, int]) -> Image.Image:
    width, height = size
    look = _DARK_MODE if chance(rng, 0.25) else _LIGHT_MODE
    page = Image.new("RGB", size, look.page)
    pen, unit = ImageDraw.Draw(page), min(width, height) / 36
    own_color = hsv(choice(rng, (0.27, 0.36, 0.58)), uniform(rng, 0.35, 0.6), 0.92)
    faces = (muted_color(rng), vivid_color(rng))
    y = float(_top_bar(rng, pen, width, look, handle(rng)))
    while y < height - unit * 5:
        right = chance(rng, 0.5)
        lines = _wrapped(chat_line(rng), 20)
        high = unit * (1.2 + 1.9 * len(lines))
        wide = max(font(SANS, int(unit * 1.5)).getlength(line) for line in lines) + unit * 2
        left = width - unit * 5 - wide if right else unit * 5
        fill = own_color if right else look.panel
        pen.rounded_rectangle((left, y, left + wide, y + high), unit * 0.8, fill)
        x = width - unit * 4.2 if right else unit
        pen.rounded_rectangle((x, y, x + unit * 3.2, y + unit * 3.2), unit * 0.6, faces[right])
        for number, line in enumerate(lines):
            place = (left + unit, y + unit * (0.4 + 1.9 * number))
            pen.text(
                place, line, _LIGHT_MODE.text if right else look.text, font(SANS, int(unit * 1.5))
            )
        y += high + unit * uniform(rng, 0.8, 2)
    pen.rectangle((0, height - unit * 4, width, height), fill=look.panel)
    pen.rounded_rectangle(
        (unit * 3, height - unit * 3.2, width - unit * 6, height - unit * 0.8), unit, look.page
    )
    return page


def _order(rng: Rng, size: tuple[int, int]) -> Image.Image:
    width, height = size
    look = _DARK_MODE if chance(rng, 0.15) else _LIGHT_MODE
    page = Image.new("RGB", size, look.page)
    pen, unit = ImageDraw.Draw(page), min(width, height) / 36
    y = float(
        _top_bar(rng, pen, width, look, choice(rng, ("My orders", "Order details", "Refund")))
    )
    accent = hsv(choice(rng, (0.0, 0.06, 0.09, 0.6)), 0.8, 0.92)
    while y < height - unit * 7:
        pen.rounded_rectangle((unit, y, width - unit, y + unit * 12), unit * 0.6, look.panel)
        pen.text(
            (unit * 2, y + unit * 0.7), choice(rng, BRANDS), look.text, font(BOLD, int(unit * 1.4))
        )
        pen.rectangle((unit * 2, y + unit * 3, unit * 8, y + unit * 9), fill=dye_color(rng))
        rows = (
            choice(rng, GOODS),
            f"Size {choice(rng, 'SML')}  x{integer(rng, 1, 4)}",
            "Shipped - in transit",
        )
        for number, row in enumerate(rows):
            tone = look.text if number == 0 else look.quiet
            place = (unit * 9, y + unit * (3 + 2 * number))
            pen.text(place, row, tone, font(SANS, int(unit * 1.35)))
        total = f"Total {price(rng)}"
        pen.text((width - unit * 12, y + unit * 9.4), total, accent, font(BOLD, int(unit * 1.5)))
        y += unit * 13
    return page


def _notes(rng: Rng, size: tuple[int, int]) -> Image.Image:
    width, height = size
    look = _DARK_MODE if chance(rng, 0.2) else _LIGHT_MODE
    page = Image.new("RGB", size, look.panel)
    pen, unit = ImageDraw.Draw(page), min(width, height) / 36
    y = float(_top_bar(rng, pen, width, look, choice(rng, ("Notes", "Terms", "Review", "Message"))))
    pen.text((unit * 2, y), choice(rng, GOODS), look.text, font(BOLD, int(unit * 2.2)))
    y += unit * 4
    while y < height - unit * 2:
        words = " ".join(chat_line(rng) for _ in range(integer(rng, 2, 4)))
        for line in _wrapped(words, int(width / unit * 1.1)):
            pen.text((unit * 2, y), line, look.text, font(SANS, int(unit * 1.4)))
            y += unit * 2.1
        y += unit * 1.6
    return page


def receipt(rng: Rng, width: int) -> Image.Image:
    """Return a till receipt with creases, RGBA, width pixels wide."""
    rows = [(choice(rng, GOODS)[:16], price(rng)) for _ in range(integer(rng, 6, 11))]
    unit = width / 26
    height = int(unit * (14 + 2 * len(rows)))
    paper = Image.new("RGB", (width, height), (248, 247, 242))
    pen, letters = ImageDraw.Draw(paper), font(MONO, int(unit * 1.45))
    pen.text((unit * 4, unit), choice(rng, BRANDS), (30, 30, 34), font(BOLD, int(unit * 2.4)))
    pen.text((unit * 2, unit * 4.6), f"ORDER {integer(rng, 10**6, 10**7)}", (50, 50, 54), letters)
    y = unit * 7
    for name, cost in [*rows, ("-" * 12, ""), ("TOTAL", price(rng))]:
        pen.text((unit * 2, y), name, (50, 50, 54), letters)
        pen.text((width - unit * 8, y), cost, (50, 50, 54), letters)
        y += unit * 2
    shade = fractal_noise(rng, height, width, cells=(5, 2), octaves=3)
    crease = Image.fromarray((shade * 10 + 24).clip(0, 255).astype("uint8"))
    paper.paste((120, 116, 108), (0, 0, width, height), crease)
    return paper.convert("RGBA")


def _paper(rng: Rng, size: tuple[int, int]) -> Image.Image:
    scene = make_scene(rng, View.ABOVE, size)
    sheet = receipt(rng, int(min(size) * uniform(rng, 0.6, 0.8)))
    turn = uniform(rng, -14, 14) + (90 if size[0] > size[1] and chance(rng, 0.7) else 0)
    seen = tilt(rng, sheet, turn=turn, lean=0.1)
    paste_flat(scene.photo, seen, (size[0] / 2, size[1] * uniform(rng, 0.45, 0.55)), scene.light, 4)
    return expose(rng, scene.photo)


def text_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB picture that is mostly text; screenshots are upright."""
    if chance(rng, 0.3):
        return _paper(rng, size)
    upright = (min(size), max(size)) if chance(rng, 0.85) else size
    return choice(rng, (_chat, _chat, _order, _notes))(rng, upright)
