"""Contact banners: phone numbers, accounts and addresses over a product photo."""

from PIL import Image, ImageDraw

from stack.catalogue.camera import exposed
from stack.catalogue.craft.colours import Colour, hsv, readable_on
from stack.catalogue.craft.compose import lay
from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.catalogue.craft.fonts import BOLD, display_face, fitted, lettering
from stack.catalogue.craft.geometry import tilted
from stack.catalogue.craft.hand import hold_up
from stack.catalogue.craft.words import OFFERS, contact
from stack.catalogue.products.shop import product_scene

_LOUD: tuple[Colour, ...] = (
    (226, 32, 38), (255, 222, 20), (22, 160, 70), (20, 92, 210), (16, 16, 18), (250, 250, 250),
    (238, 60, 140), (250, 128, 16),
)  # fmt: skip


def _lines(rng: Rng) -> list[str]:
    return [pick(rng, OFFERS), *(contact(rng) for _ in range(whole(rng, 1, 2)))]


def _paste(photo: Image.Image, words: Image.Image, top: float) -> None:
    photo.paste(words, ((photo.width - words.width) // 2, int(top)), words)


def _strip(rng: Rng, photo: Image.Image) -> None:
    """Lay one or two bars of colour with large letters across the photo."""
    width, height = photo.size
    edges = pick(rng, (("top",), ("bottom",), ("bottom",), ("top", "bottom"), ("middle",)))
    for edge in edges:
        high = int(height * between(rng, 0.16, 0.24))
        ground = pick(rng, _LOUD)
        top = {"top": 0, "bottom": height - high, "middle": (height - high) // 2}[edge]
        bar = Image.new("RGBA", (width, high), (*ground, whole(rng, 200, 255)))
        photo.paste(bar, (0, top), bar)
        rows = [pick(rng, OFFERS), contact(rng)] if chance(rng, 0.5) else [contact(rng)]
        for number, line in enumerate(rows):
            room = high / len(rows)
            words = lettering(
                line,
                fitted(line, display_face(rng), width * 0.92, room * 0.72),
                readable_on(ground),
            )
            _paste(photo, words, top + room * number + (room - words.height) / 2)


def _shouted(rng: Rng, photo: Image.Image) -> None:
    """Write outlined letters straight onto the photo, line under line."""
    width, height = photo.size
    colour = pick(rng, _LOUD[:2] + _LOUD[5:7])
    edge = pick(rng, ((0, 0, 0), (255, 255, 255))) if colour != _LOUD[5] else (200, 20, 30)
    top = height * between(rng, 0.06, 0.5)
    for line in _lines(rng):
        letters = fitted(line, BOLD, width * between(rng, 0.8, 0.94), height * 0.13)
        words = lettering(line, letters, colour, stroke=max(height // 120, 2), edge=edge)
        _paste(photo, words, top)
        top += words.height * 1.25


def _slanted(rng: Rng, photo: Image.Image) -> None:
    """Repeat a contact line slantwise over the photo, as a loud watermark."""
    line, colour = contact(rng), pick(rng, _LOUD)
    letters = fitted(line, BOLD, photo.width * 0.9, photo.height * 0.15)
    words = lettering(line, letters, colour, stroke=2, edge=readable_on(colour))
    turned = words.rotate(between(rng, 12, 32), Image.Resampling.BICUBIC, expand=True)
    for share in (-0.08, 0.26, 0.6):
        photo.paste(turned, (int(photo.width * 0.08), int(photo.height * share)), turned)


def _seal(rng: Rng, photo: Image.Image) -> None:
    """Add a round sales sticker above a contact strip."""
    _strip(rng, photo)
    side = int(min(photo.size) * between(rng, 0.28, 0.36))
    seal = Image.new("RGBA", (side * 2, side * 2))
    ground = hsv(pick(rng, (0.0, 0.13, 0.08)), 0.9, 0.95)
    ImageDraw.Draw(seal).ellipse((4, 4, side * 2 - 4, side * 2 - 4), fill=ground)
    for number, line in enumerate((pick(rng, ("ADD", "CALL", "TEXT")), "ME NOW")):
        words = lettering(line, fitted(line, BOLD, side * 1.4, side * 0.5), readable_on(ground))
        seal.alpha_composite(words, (side - words.width // 2, int(side * (0.5 + 0.55 * number))))
    small = seal.reduce(2)
    x = pick(rng, (int(photo.width * 0.03), int(photo.width * 0.97) - side))
    photo.paste(small, (x, int(photo.height * between(rng, 0.3, 0.4))), small)


def flyer(rng: Rng, width: int) -> Image.Image:
    """Return a printed contact card, RGB, width pixels wide."""
    ground = pick(rng, _LOUD)
    sheet = Image.new("RGB", (width, int(width * between(rng, 0.6, 0.8))), ground)
    lines = [pick(rng, OFFERS), contact(rng), contact(rng)]
    for number, line in enumerate(lines):
        letters = fitted(line, BOLD, width * 0.88, sheet.height * 0.24)
        words = lettering(line, letters, readable_on(ground))
        _paste(sheet, words, sheet.height * (0.08 + 0.3 * number))
    return sheet


def _printed(rng: Rng, size: tuple[int, int]) -> Image.Image:
    scene = product_scene(rng, size)
    sheet = flyer(rng, int(min(size) * between(rng, 0.66, 0.85)))
    if chance(rng, 0.5):
        hold_up(rng, scene.photo, sheet, scene.light)
    else:
        seen = tilted(rng, sheet.convert("RGBA"), turn=between(rng, -25, 25), lean=0.15)
        centre = (size[0] * between(rng, 0.4, 0.6), size[1] * between(rng, 0.55, 0.68))
        lay(scene.photo, seen, centre, scene.light, 3)
    return exposed(rng, scene.photo)


def ad_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo that carries somebody's contact details."""
    if chance(rng, 0.15):
        return _printed(rng, size)
    photo = exposed(rng, product_scene(rng, size).photo)
    pick(rng, (_strip, _strip, _strip, _strip, _shouted, _shouted, _slanted, _seal))(rng, photo)
    return photo
