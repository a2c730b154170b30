"""Contact banners: phone numbers, accounts and URLs over a product photo."""

from PIL import Image, ImageDraw

from devtools.sample_photos.products.shop import product_scene
from devtools.sample_photos.rendering.camera import expose
from devtools.sample_photos.rendering.colors import Color, contrasting_ink, hsv
from devtools.sample_photos.rendering.compose import paste_flat
from devtools.sample_photos.rendering.fonts import BOLD, display_face, fit_font, render_text
from devtools.sample_photos.rendering.geometry import tilt
from devtools.sample_photos.rendering.hand import hold_up
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.sample_texts import OFFERS, contact

_LOUD: tuple[Color, ...] = (
    (226, 32, 38), (255, 222, 20), (22, 160, 70), (20, 92, 210), (16, 16, 18), (250, 250, 250),
    (238, 60, 140), (250, 128, 16),
)  # fmt: skip


def _lines(rng: Rng) -> list[str]:
    return [choice(rng, OFFERS), *(contact(rng) for _ in range(integer(rng, 1, 2)))]


def _paste(photo: Image.Image, words: Image.Image, top: float) -> None:
    photo.paste(words, ((photo.width - words.width) // 2, int(top)), words)


def _strip(rng: Rng, photo: Image.Image) -> None:
    """Lay one or two bars of color with large letters across the photo."""
    width, height = photo.size
    edges = choice(rng, (("top",), ("bottom",), ("bottom",), ("top", "bottom"), ("middle",)))
    for edge in edges:
        high = int(height * uniform(rng, 0.16, 0.24))
        ground = choice(rng, _LOUD)
        top = {"top": 0, "bottom": height - high, "middle": (height - high) // 2}[edge]
        bar = Image.new("RGBA", (width, high), (*ground, integer(rng, 200, 255)))
        photo.paste(bar, (0, top), bar)
        rows = [choice(rng, OFFERS), contact(rng)] if chance(rng, 0.5) else [contact(rng)]
        for number, line in enumerate(rows):
            room = high / len(rows)
            words = render_text(
                line,
                fit_font(line, display_face(rng), width * 0.92, room * 0.72),
                contrasting_ink(ground),
            )
            _paste(photo, words, top + room * number + (room - words.height) / 2)


def _shouted(rng: Rng, photo: Image.Image) -> None:
    """Write lines of outlined text directly onto the photo."""
    width, height = photo.size
    color = choice(rng, _LOUD[:2] + _LOUD[5:7])
    edge = choice(rng, ((0, 0, 0), (255, 255, 255))) if color != _LOUD[5] else (200, 20, 30)
    top = height * uniform(rng, 0.06, 0.5)
    for line in _lines(rng):
        letters = fit_font(line, BOLD, width * uniform(rng, 0.8, 0.94), height * 0.13)
        words = render_text(line, letters, color, stroke=max(height // 120, 2), edge=edge)
        _paste(photo, words, top)
        top += words.height * 1.25


def _slanted(rng: Rng, photo: Image.Image) -> None:
    """Repeat a rotated contact line over the photo, as a visible watermark."""
    line, color = contact(rng), choice(rng, _LOUD)
    letters = fit_font(line, BOLD, photo.width * 0.9, photo.height * 0.15)
    words = render_text(line, letters, color, stroke=2, edge=contrasting_ink(color))
    turned = words.rotate(uniform(rng, 12, 32), Image.Resampling.BICUBIC, expand=True)
    for share in (-0.08, 0.26, 0.6):
        photo.paste(turned, (int(photo.width * 0.08), int(photo.height * share)), turned)


def _seal(rng: Rng, photo: Image.Image) -> None:
    """Add a round sales sticker above a contact strip."""
    _strip(rng, photo)
    side = int(min(photo.size) * uniform(rng, 0.28, 0.36))
    seal = Image.new("RGBA", (side * 2, side * 2))
    ground = hsv(choice(rng, (0.0, 0.13, 0.08)), 0.9, 0.95)
    ImageDraw.Draw(seal).ellipse((4, 4, side * 2 - 4, side * 2 - 4), fill=ground)
    for number, line in enumerate((choice(rng, ("ADD", "CALL", "TEXT")), "ME NOW")):
        words = render_text(
            line, fit_font(line, BOLD, side * 1.4, side * 0.5), contrasting_ink(ground)
        )
        seal.alpha_composite(words, (side - words.width // 2, int(side * (0.5 + 0.55 * number))))
    small = seal.reduce(2)
    x = choice(rng, (int(photo.width * 0.03), int(photo.width * 0.97) - side))
    photo.paste(small, (x, int(photo.height * uniform(rng, 0.3, 0.4))), small)


def flyer(rng: Rng, width: int) -> Image.Image:
    """Return a printed contact card, RGB, width pixels wide."""
    ground = choice(rng, _LOUD)
    sheet = Image.new("RGB", (width, int(width * uniform(rng, 0.6, 0.8))), ground)
    lines = [choice(rng, OFFERS), contact(rng), contact(rng)]
    for number, line in enumerate(lines):
        letters = fit_font(line, BOLD, width * 0.88, sheet.height * 0.24)
        words = render_text(line, letters, contrasting_ink(ground))
        _paste(sheet, words, sheet.height * (0.08 + 0.3 * number))
    return sheet


def _printed(rng: Rng, size: tuple[int, int]) -> Image.Image:
    scene = product_scene(rng, size)
    sheet = flyer(rng, int(min(size) * uniform(rng, 0.66, 0.85)))
    if chance(rng, 0.5):
        hold_up(rng, scene.photo, sheet, scene.light)
    else:
        seen = tilt(rng, sheet.convert("RGBA"), turn=uniform(rng, -25, 25), lean=0.15)
        center = (size[0] * uniform(rng, 0.4, 0.6), size[1] * uniform(rng, 0.55, 0.68))
        paste_flat(scene.photo, seen, center, scene.light, 3)
    return expose(rng, scene.photo)


def ad_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo with contact details."""
    if chance(rng, 0.15):
        return _printed(rng, size)
    photo = expose(rng, product_scene(rng, size).photo)
    choice(rng, (_strip, _strip, _strip, _strip, _shouted, _shouted, _slanted, _seal))(rng, photo)
    return photo
