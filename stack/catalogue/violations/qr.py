"""QR codes that lead buyers away: overlaid, stuck on the goods, on a card, on a screen."""

import numpy as np
import segno
from PIL import Image, ImageDraw

from stack.catalogue.camera import exposed
from stack.catalogue.craft.colours import INK, Colour, hsv, readable_on, vivid
from stack.catalogue.craft.compose import lay
from stack.catalogue.craft.dice import Rng, between, chance, pick
from stack.catalogue.craft.fonts import BOLD, display_face, fitted, lettering
from stack.catalogue.craft.geometry import tilted
from stack.catalogue.craft.hand import hold_up
from stack.catalogue.craft.words import OFFERS, contact, link
from stack.catalogue.products.shop import product_scene

_CALLS = ("SCAN ME", "SCAN HERE", "ADD ME", "GET $10", "JOIN GROUP", "SCAN FOR GIFT", "FOLLOW US")


def code(rng: Rng, side: int, ink: Colour = INK) -> Image.Image:
    """Return a scannable QR code with its quiet zone, RGB, side pixels square.

    The quiet zone is 2-4 modules, where ISO/IEC 18004 asks for 4 and people leave less.
    """
    modules = segno.make(link(rng), error=pick(rng, ("l", "m", "q")), micro=False)
    border = pick(rng, (2, 3, 4))
    dark = np.array([list(row) for row in modules.matrix_iter(border=border)], dtype=bool)
    tiny = Image.fromarray(np.where(dark[..., None], ink, (250, 250, 248)).astype(np.uint8))
    crisp = tiny.resize((dark.shape[1] * 12, dark.shape[0] * 12), Image.Resampling.NEAREST)
    return crisp.resize((side, side), Image.Resampling.BOX)


def card(rng: Rng, width: int) -> Image.Image:
    """Return a card with a QR code and a call to scan it, RGB, width pixels wide."""
    ground = pick(rng, ((250, 250, 248), hsv(0.38, 0.75, 0.66), hsv(0.58, 0.75, 0.85), vivid(rng)))
    sheet = Image.new("RGB", (width, int(width * between(rng, 1.2, 1.5))), ground)
    side = int(width * between(rng, 0.74, 0.86))
    top = int(sheet.height * 0.16)
    sheet.paste(code(rng, side), ((width - side) // 2, top))
    lines = (pick(rng, _CALLS), pick(rng, OFFERS) if chance(rng, 0.5) else contact(rng))
    places = (int(sheet.height * 0.03), top + side + int(sheet.height * 0.02))
    for line, place in zip(lines, places, strict=True):
        letters = fitted(line, display_face(rng), width * 0.84, sheet.height * 0.1)
        words = lettering(line, letters, readable_on(ground))
        sheet.paste(words, ((width - words.width) // 2, place), words)
    return sheet


def _sticker(rng: Rng, side: int) -> Image.Image:
    """Return a code alone on white paper or, as often, the whole card."""
    return card(rng, side) if chance(rng, 0.4) else code(rng, side)


def _overlaid(rng: Rng, size: tuple[int, int]) -> Image.Image:
    photo = exposed(rng, product_scene(rng, size).photo)
    width, height = photo.size
    stamp = _sticker(rng, int(min(size) * between(rng, 0.3, 0.46)))
    gap = int(width * between(rng, 0, 0.05))
    x = pick(rng, (gap, width - stamp.width - gap))
    y = pick(rng, (gap, height - stamp.height - gap))
    photo.paste(stamp, (x, max(y, 0)))
    return photo


def _stuck_on(rng: Rng, size: tuple[int, int]) -> Image.Image:
    name = pick(rng, ("carton", "pouch", "book", "garment", "bag", "phone case", "mug", "jar"))
    scene = product_scene(rng, size, name)
    stamp = _sticker(rng, int(min(size) * between(rng, 0.3, 0.44))).convert("RGBA")
    seen = tilted(rng, stamp, turn=between(rng, -20, 20), lean=0.12)
    centre = (size[0] * between(rng, 0.44, 0.56), size[1] * between(rng, 0.5, 0.64))
    lay(scene.photo, seen, centre, scene.light, 1)
    return exposed(rng, scene.photo)


def _beside(rng: Rng, size: tuple[int, int]) -> Image.Image:
    scene = product_scene(rng, size)
    flyer = card(rng, int(min(size) * between(rng, 0.38, 0.52))).convert("RGBA")
    seen = tilted(rng, flyer, turn=between(rng, -35, 35), lean=0.16)
    x = size[0] * pick(rng, (between(rng, 0.2, 0.34), between(rng, 0.66, 0.8)))
    lay(scene.photo, seen, (x, size[1] * between(rng, 0.55, 0.68)), scene.light, 3)
    return exposed(rng, scene.photo)


def _held_up(rng: Rng, size: tuple[int, int]) -> Image.Image:
    scene = product_scene(rng, size)
    sheet = card(rng, int(min(size) * between(rng, 0.44, 0.6)))
    hold_up(rng, scene.photo, sheet, scene.light)
    return exposed(rng, scene.photo)


def _on_screen(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return the screenshot of a "my QR code" page."""
    width, height = min(size), max(size)
    ground = pick(rng, ((237, 237, 237), hsv(0.38, 0.75, 0.66), hsv(0.58, 0.7, 0.8), (40, 42, 48)))
    page = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(page)
    pen.rounded_rectangle(
        (width * 0.08, height * 0.12, width * 0.92, height * 0.88), width * 0.04, (252, 252, 252)
    )
    side = int(min(width * 0.7, height * 0.52))
    top = (height - side) // 2
    page.paste(code(rng, side), ((width - side) // 2, top))
    places = (top - int(height * 0.07), top + side + int(height * 0.025))
    for line, place in zip((pick(rng, _CALLS), contact(rng)), places, strict=True):
        words = lettering(line, fitted(line, BOLD, width * 0.64, height * 0.045), INK)
        page.paste(words, ((width - words.width) // 2, place), words)
    return page


def qr_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo on which a QR code is the violation."""
    kinds = (_overlaid, _overlaid, _stuck_on, _stuck_on, _beside, _held_up, _held_up, _on_screen)
    return pick(rng, kinds)(rng, size)
