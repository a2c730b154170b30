"""QR codes with external links: overlaid, on a sticker, on a card, on a screen."""

import numpy as np
import segno
from PIL import Image, ImageDraw

from devtools.sample_photos.products.shop import product_scene
from devtools.sample_photos.rendering.camera import expose
from devtools.sample_photos.rendering.colors import INK, Color, contrasting_ink, hsv, vivid_color
from devtools.sample_photos.rendering.compose import paste_flat
from devtools.sample_photos.rendering.fonts import BOLD, display_face, fit_font, render_text
from devtools.sample_photos.rendering.geometry import tilt
from devtools.sample_photos.rendering.hand import hold_up
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, uniform
from devtools.sample_photos.rendering.sample_texts import OFFERS, contact, link

_CALLS = ("SCAN ME", "SCAN HERE", "ADD ME", "GET $10", "JOIN GROUP", "SCAN FOR GIFT", "FOLLOW US")


def code(rng: Rng, side: int, ink: Color = INK) -> Image.Image:
    """Return a scannable QR code with its quiet zone, RGB, side pixels square.

    The quiet zone is 2-4 modules; ISO/IEC 18004 requires 4, but real codes often have less.
    """
    modules = segno.make(link(rng), error=choice(rng, ("l", "m", "q")), micro=False)
    border = choice(rng, (2, 3, 4))
    dark = np.array([list(row) for row in modules.matrix_iter(border=border)], dtype=bool)
    tiny = Image.fromarray(np.where(dark[..., None], ink, (250, 250, 248)).astype(np.uint8))
    crisp = tiny.resize((dark.shape[1] * 12, dark.shape[0] * 12), Image.Resampling.NEAREST)
    return crisp.resize((side, side), Image.Resampling.BOX)


def card(rng: Rng, width: int) -> Image.Image:
    """Return a card with a QR code and a call to scan it, RGB, width pixels wide."""
    ground = choice(
        rng, ((250, 250, 248), hsv(0.38, 0.75, 0.66), hsv(0.58, 0.75, 0.85), vivid_color(rng))
    )
    sheet = Image.new("RGB", (width, int(width * uniform(rng, 1.2, 1.5))), ground)
    side = int(width * uniform(rng, 0.74, 0.86))
    top = int(sheet.height * 0.16)
    sheet.paste(code(rng, side), ((width - side) // 2, top))
    lines = (choice(rng, _CALLS), choice(rng, OFFERS) if chance(rng, 0.5) else contact(rng))
    places = (int(sheet.height * 0.03), top + side + int(sheet.height * 0.02))
    for line, place in zip(lines, places, strict=True):
        letters = fit_font(line, display_face(rng), width * 0.84, sheet.height * 0.1)
        words = render_text(line, letters, contrasting_ink(ground))
        sheet.paste(words, ((width - words.width) // 2, place), words)
    return sheet


def _sticker(rng: Rng, side: int) -> Image.Image:
    """Return a code on white paper or, equally often, the whole card."""
    return card(rng, side) if chance(rng, 0.4) else code(rng, side)


def _overlaid(rng: Rng, size: tuple[int, int]) -> Image.Image:
    photo = expose(rng, product_scene(rng, size).photo)
    width, height = photo.size
    stamp = _sticker(rng, int(min(size) * uniform(rng, 0.3, 0.46)))
    gap = int(width * uniform(rng, 0, 0.05))
    x = choice(rng, (gap, width - stamp.width - gap))
    y = choice(rng, (gap, height - stamp.height - gap))
    photo.paste(stamp, (x, max(y, 0)))
    return photo


def _stuck_on(rng: Rng, size: tuple[int, int]) -> Image.Image:
    name = choice(rng, ("carton", "pouch", "book", "garment", "bag", "phone case", "mug", "jar"))
    scene = product_scene(rng, size, name)
    stamp = _sticker(rng, int(min(size) * uniform(rng, 0.3, 0.44))).convert("RGBA")
    seen = tilt(rng, stamp, turn=uniform(rng, -20, 20), lean=0.12)
    center = (size[0] * uniform(rng, 0.44, 0.56), size[1] * uniform(rng, 0.5, 0.64))
    paste_flat(scene.photo, seen, center, scene.light, 1)
    return expose(rng, scene.photo)


def _next_to_product(rng: Rng, size: tuple[int, int]) -> Image.Image:
    scene = product_scene(rng, size)
    flyer = card(rng, int(min(size) * uniform(rng, 0.38, 0.52))).convert("RGBA")
    seen = tilt(rng, flyer, turn=uniform(rng, -35, 35), lean=0.16)
    x = size[0] * choice(rng, (uniform(rng, 0.2, 0.34), uniform(rng, 0.66, 0.8)))
    paste_flat(scene.photo, seen, (x, size[1] * uniform(rng, 0.55, 0.68)), scene.light, 3)
    return expose(rng, scene.photo)


def _held_up(rng: Rng, size: tuple[int, int]) -> Image.Image:
    scene = product_scene(rng, size)
    sheet = card(rng, int(min(size) * uniform(rng, 0.44, 0.6)))
    hold_up(rng, scene.photo, sheet, scene.light)
    return expose(rng, scene.photo)


def _on_screen(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return the screenshot of a "my QR code" page."""
    width, height = min(size), max(size)
    ground = choice(
        rng, ((237, 237, 237), hsv(0.38, 0.75, 0.66), hsv(0.58, 0.7, 0.8), (40, 42, 48))
    )
    page = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(page)
    pen.rounded_rectangle(
        (width * 0.08, height * 0.12, width * 0.92, height * 0.88), width * 0.04, (252, 252, 252)
    )
    side = int(min(width * 0.7, height * 0.52))
    top = (height - side) // 2
    page.paste(code(rng, side), ((width - side) // 2, top))
    places = (top - int(height * 0.07), top + side + int(height * 0.025))
    for line, place in zip((choice(rng, _CALLS), contact(rng)), places, strict=True):
        words = render_text(line, fit_font(line, BOLD, width * 0.64, height * 0.045), INK)
        page.paste(words, ((width - words.width) // 2, place), words)
    return page


def qr_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo with a QR code."""
    kinds = (
        _overlaid,
        _overlaid,
        _stuck_on,
        _stuck_on,
        _next_to_product,
        _held_up,
        _held_up,
        _on_screen,
    )
    return choice(rng, kinds)(rng, size)
