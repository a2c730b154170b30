"""Text overlays: each function draws text on a photo and marks it in a mask."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from devtools.sample_photos.rendering.colors import Color, contrasting_ink
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.text_gate.lettering import (
    fade,
    log_uniform,
    random_color,
    random_font,
    random_line,
    render_line,
)

_MIN_OPACITY = 24  # of 255: opacity from which a coarse pixel counts as letters
MIN_TEXT_HEIGHT, MAX_TEXT_HEIGHT = 0.03, 0.15  # share of the photo's short side

Overlay = Callable[[Rng, "Canvas"], None]


@dataclass
class Canvas:
    """An RGB photo, and a mask of the same size: 255 where there is text."""

    photo: Image.Image
    mask: Image.Image

    @property
    def short(self) -> int:
        """Short side in pixels."""
        return min(self.photo.size)

    def paste(self, picture: Image.Image, left: float, top: float) -> None:
        """Paste an RGBA picture of text and mark it in the mask."""
        place = (round(left), round(top))
        self.photo.paste(picture, place, picture)
        shape = picture.getchannel("A").point(lambda level: 255 if level else 0)
        self.mask.paste(255, place, _fill_gaps(shape))


def _fill_gaps(shape: Image.Image) -> Image.Image:
    """Return the mask with the gaps between letters filled, at a coarse resolution."""
    small = shape.resize(
        (max(shape.width // 8, 1), max(shape.height // 8, 1)), Image.Resampling.BOX
    )
    return small.point(lambda level: 255 if level > _MIN_OPACITY else 0).resize(shape.size)


def draw_banner(rng: Rng, canvas: Canvas) -> None:
    """Draw one or two colored bars with one or two lines of text across the photo."""
    width, height = canvas.photo.size
    for _ in range(choice(rng, (1, 1, 1, 2))):
        tall = log_uniform(rng, 0.06, 0.28) * height
        top = choice(rng, (0.0, height - tall, uniform(rng, 0, height - tall)))
        wide = width if chance(rng, 0.8) else uniform(rng, 0.5, 1) * width
        ground = random_color(rng)
        bar = Image.new("RGBA", (round(wide), round(tall)), (*ground, integer(rng, 120, 255)))
        left = (width - bar.width) / 2
        canvas.photo.paste(bar, (round(left), round(top)), bar)
        rows = choice(rng, (1, 1, 2)) if tall > 0.1 * height else 1
        for row in range(rows):
            line = _fit_line(
                rng, wide * uniform(rng, 0.5, 0.95), tall / rows * 0.75, contrasting_ink(ground)
            )
            across = left + (wide - line.width) * choice(rng, (0.5, 0.5, 0.05))
            canvas.paste(line, across, top + tall * (row + 0.5) / rows - line.height / 2)


def _fit_line(rng: Rng, wide: float, tall: float, color: Color, *, edge: int = 0) -> Image.Image:
    text = random_line(rng)
    font = random_font(rng, text, 40)
    size = min(tall, wide / max(font.getlength(text) / 40, 0.1))
    return render_line(text, font.font_variant(size=max(round(size), 6)), color, edge=edge)


def draw_lines(rng: Rng, canvas: Canvas) -> None:
    """Write one to three lines directly onto the photo, with or without an outline."""
    width, height = canvas.photo.size
    color, edge = random_color(rng), choice(rng, (0, 1, 2, 3))
    tall = log_uniform(rng, MIN_TEXT_HEIGHT, MAX_TEXT_HEIGHT) * canvas.short
    top, turn = uniform(rng, 0, 0.85) * height, choice(rng, (0.0, 0.0, uniform(rng, -20, 20)))
    for _ in range(integer(rng, 1, 3)):
        line = _fit_line(rng, 0.95 * width, tall, color, edge=edge)
        turned = line.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        canvas.paste(turned, uniform(rng, 0, 1) * (width - turned.width), top)
        top += 1.2 * turned.height


def draw_watermark(rng: Rng, canvas: Canvas) -> None:
    """Write one translucent line across the middle, or in a corner."""
    width, height = canvas.photo.size
    middle = chance(rng, 0.6)
    tall = log_uniform(rng, 0.05, 0.14) if middle else log_uniform(rng, MIN_TEXT_HEIGHT, 0.06)
    line = _fit_line(
        rng, 0.95 * width, tall * canvas.short, random_color(rng), edge=choice(rng, (0, 0, 1))
    )
    line = fade(line, uniform(rng, 0.3, 1.0))
    if middle:
        turned = line.rotate(
            choice(rng, (0, 0, uniform(rng, -45, 45))), Image.Resampling.BICUBIC, expand=True
        )
        canvas.paste(
            turned, (width - turned.width) / 2, (height - turned.height) * uniform(rng, 0.3, 0.7)
        )
        return
    x, y = choice(rng, (0.02, 0.98)), choice(rng, (0.02, 0.98))
    canvas.paste(line, (width - line.width) * x, (height - line.height) * y)


def draw_tiled_watermark(rng: Rng, canvas: Canvas) -> None:
    """Repeat one translucent, rotated line over the whole photo."""
    width, height = canvas.photo.size
    tall = log_uniform(rng, MIN_TEXT_HEIGHT, 0.07) * canvas.short
    line = fade(_fit_line(rng, width, tall, random_color(rng)), uniform(rng, 0.35, 0.9))
    side = round(1.5 * max(width, height))
    sheet = Image.new("RGBA", (side, side))
    across, down = line.width + uniform(rng, 0.5, 3) * tall, uniform(rng, 2, 5) * tall
    for row in range(round(side / down)):
        start = -(row % 2) * across / 2
        for column in range(round(side / across) + 2):
            sheet.paste(line, (round(start + column * across), round(row * down)))
    turned = sheet.rotate(uniform(rng, -50, 50), Image.Resampling.BICUBIC)
    canvas.paste(turned, (width - side) / 2, (height - side) / 2)


def draw_page(rng: Rng, canvas: Canvas) -> None:
    """Replace the photo by a page of text: a chat, a receipt, a form."""
    width, height = canvas.photo.size
    ground = choice(rng, ((255, 255, 255), (245, 245, 245), (30, 30, 34), random_color(rng)))
    canvas.photo.paste(ground, (0, 0, width, height))
    tall = log_uniform(rng, 0.02, 0.06) * canvas.short
    top, left = tall, choice(rng, (0.04, 0.04, 0.3)) * width
    while top < height - tall:
        if chance(rng, 0.85):
            line = _fit_line(rng, uniform(rng, 0.3, 0.92) * width, tall, contrasting_ink(ground))
            canvas.paste(line, left if chance(rng, 0.8) else width - line.width - left, top)
        top += tall * uniform(rng, 1.3, 2.5)


def draw_flyer(rng: Rng, canvas: Canvas) -> None:
    """Lay a photographed flyer over the photo: a headline, offers, columns, pictures."""
    ground, sheet = random_color(rng), _Sheet(rng, canvas)
    sheet.page.photo.paste(ground, (0, 0, *sheet.page.photo.size))
    width, height = sheet.page.photo.size
    top = 0.03 * height
    while top < 0.97 * height:
        tall = log_uniform(rng, 0.02, 0.16) * height
        if chance(rng, 0.25):
            _paste_picture(rng, sheet.page, canvas.photo, (top, min(top + 3 * tall, height)))
            top += 3 * tall
            continue
        columns = choice(rng, (1, 1, 2, 3))
        color = choice(rng, (contrasting_ink(ground), random_color(rng)))
        for column in range(columns):
            line = _fit_line(rng, 0.9 * width / columns, tall, color)
            sheet.page.paste(line, (column + 0.05) * width / columns, top)
        top += tall * uniform(rng, 1.0, 1.6)
    sheet.lay(rng, canvas)


def draw_photographed_page(rng: Rng, canvas: Canvas) -> None:
    """Lay a photographed page of text over the photo: a letter, a receipt, a screen."""
    sheet = _Sheet(rng, canvas)
    draw_page(rng, sheet.page)
    sheet.lay(rng, canvas)


def _paste_picture(rng: Rng, page: Canvas, picture: Image.Image, rows: tuple[float, float]) -> None:
    tall = max(round(rows[1] - rows[0]), 1)
    wide = max(round(page.photo.width * uniform(rng, 0.3, 1)), 1)
    left = round((page.photo.width - wide) * uniform(rng, 0, 1))
    page.photo.paste(picture.resize((wide, tall)), (left, round(rows[0])))


class _Sheet:
    """A page as a camera sees it: at an angle, unevenly lit."""

    def __init__(self, rng: Rng, canvas: Canvas) -> None:
        aspect = uniform(rng, 0.4, 1.0)
        size = (round(1.2 * canvas.short * aspect), round(1.2 * canvas.short))
        size = choice(rng, (size, size, size[::-1]))
        self.page = Canvas(Image.new("RGB", size), Image.new("L", size))

    def lay(self, rng: Rng, canvas: Canvas) -> None:
        """Lay the page over the photo, and its text over the mask."""
        warp = self._warp(rng, canvas.photo.size)
        light = _shade(rng, self.page.photo)
        place = [
            cv2.warpPerspective(np.asarray(layer), warp, canvas.photo.size, flags=cv2.INTER_AREA)
            for layer in (light, self.page.mask, Image.new("L", self.page.photo.size, 255))
        ]
        photo, text, shape = (Image.fromarray(layer) for layer in place)
        canvas.photo.paste(photo, (0, 0), shape)
        canvas.mask.paste(text, (0, 0), shape)

    def _warp(self, rng: Rng, size: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Return the transform that puts the page's corners near those of a part of the photo."""
        (wide, tall), share = self.page.photo.size, uniform(rng, 0.55, 1.1)
        scale = share * min(size[0] / wide, size[1] / tall)
        turn = np.deg2rad(choice(rng, (0.0, uniform(rng, -15, 15), 90, 180)))
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (wide * scale, tall * scale) / 2
        turned = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        bent = turned * rng.uniform(0.85, 1.05, (4, 2)) + np.array(size) / 2
        start = np.array([(0, 0), (wide, 0), (wide, tall), (0, tall)])
        warp = cv2.getPerspectiveTransform(start.astype(np.float32), bent.astype(np.float32))
        return warp.astype(np.float64)


def _shade(rng: Rng, page: Image.Image) -> Image.Image:
    """Return the page under light that falls off towards one side."""
    corners = rng.uniform(0.5, 1.1, (2, 2)).astype(np.float32)
    light = cv2.resize(corners, page.size)[..., None]
    return Image.fromarray((np.asarray(page) * light).clip(0, 255).astype(np.uint8))
