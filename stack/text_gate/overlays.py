"""Ways to lay text over a photo. Each draws on the photo, and on a mask where the letters went."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from stack.catalogue.craft.colours import Colour, readable_on
from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.text_gate.lettering import any_colour, face, faded, spread, tight, words

_FAINT = 24  # of 255: opacity from which a coarse pixel counts as letters
SMALLEST, TALLEST = 0.03, 0.15  # of the photo's short side: height of the letters


Way = Callable[[Rng, "Canvas"], None]


@dataclass
class Canvas:
    """A photo in RGB, and a mask of the same size: 255 where there is text."""

    photo: Image.Image
    mask: Image.Image

    @property
    def short(self) -> int:
        """Pixels of the short side."""
        return min(self.photo.size)

    def paste(self, picture: Image.Image, left: float, top: float) -> None:
        """Lay an RGBA picture of text down; its middle half counts as covered by letters."""
        place = (round(left), round(top))
        self.photo.paste(picture, place, picture)
        shape = picture.getchannel("A").point(lambda level: 255 if level else 0)
        self.mask.paste(255, place, _closed(shape))


def _closed(shape: Image.Image) -> Image.Image:
    """Letters with the gaps between them filled, coarsely."""
    small = shape.resize(
        (max(shape.width // 8, 1), max(shape.height // 8, 1)), Image.Resampling.BOX
    )
    return small.point(lambda level: 255 if level > _FAINT else 0).resize(shape.size)


def banner(rng: Rng, canvas: Canvas) -> None:
    """Lay one or two bars of colour with a line or two across the photo."""
    width, height = canvas.photo.size
    for _ in range(pick(rng, (1, 1, 1, 2))):
        tall = spread(rng, 0.06, 0.28) * height
        top = pick(rng, (0.0, height - tall, between(rng, 0, height - tall)))
        wide = width if chance(rng, 0.8) else between(rng, 0.5, 1) * width
        ground = any_colour(rng)
        bar = Image.new("RGBA", (round(wide), round(tall)), (*ground, whole(rng, 120, 255)))
        left = (width - bar.width) / 2
        canvas.photo.paste(bar, (round(left), round(top)), bar)
        rows = pick(rng, (1, 1, 2)) if tall > 0.1 * height else 1
        for row in range(rows):
            line = _fitting(
                rng, wide * between(rng, 0.5, 0.95), tall / rows * 0.75, readable_on(ground)
            )
            across = left + (wide - line.width) * pick(rng, (0.5, 0.5, 0.05))
            canvas.paste(line, across, top + tall * (row + 0.5) / rows - line.height / 2)


def _fitting(rng: Rng, wide: float, tall: float, colour: Colour, *, edge: int = 0) -> Image.Image:
    text = words(rng)
    size = min(tall, wide / max(face(rng, text, 40).getlength(text) / 40, 0.1))
    return tight(text, face(rng, text, round(size)), colour, edge=edge)


def shouted(rng: Rng, canvas: Canvas) -> None:
    """Write one to three lines straight onto the photo, with or without an outline."""
    width, height = canvas.photo.size
    colour, edge = any_colour(rng), pick(rng, (0, 1, 2, 3))
    tall = spread(rng, SMALLEST, TALLEST) * canvas.short
    top, turn = between(rng, 0, 0.85) * height, pick(rng, (0.0, 0.0, between(rng, -20, 20)))
    for _ in range(whole(rng, 1, 3)):
        line = _fitting(rng, 0.95 * width, tall, colour, edge=edge)
        turned = line.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        canvas.paste(turned, between(rng, 0, 1) * (width - turned.width), top)
        top += 1.2 * turned.height


def mark(rng: Rng, canvas: Canvas) -> None:
    """Write one faint line across the middle, or in a corner."""
    width, height = canvas.photo.size
    middle = chance(rng, 0.6)
    tall = spread(rng, 0.05, 0.14) if middle else spread(rng, SMALLEST, 0.06)
    line = _fitting(
        rng, 0.95 * width, tall * canvas.short, any_colour(rng), edge=pick(rng, (0, 0, 1))
    )
    line = faded(line, between(rng, 0.4, 1.0))
    if middle:
        turned = line.rotate(
            pick(rng, (0, 0, between(rng, -45, 45))), Image.Resampling.BICUBIC, expand=True
        )
        canvas.paste(
            turned, (width - turned.width) / 2, (height - turned.height) * between(rng, 0.3, 0.7)
        )
        return
    x, y = pick(rng, (0.02, 0.98)), pick(rng, (0.02, 0.98))
    canvas.paste(line, (width - line.width) * x, (height - line.height) * y)


def tiled(rng: Rng, canvas: Canvas) -> None:
    """Repeat one faint line at a slant over the whole photo."""
    width, height = canvas.photo.size
    tall = spread(rng, SMALLEST, 0.07) * canvas.short
    line = faded(_fitting(rng, width, tall, any_colour(rng)), between(rng, 0.35, 0.9))
    side = round(1.5 * max(width, height))
    sheet = Image.new("RGBA", (side, side))
    across, down = line.width + between(rng, 0.5, 3) * tall, between(rng, 2, 5) * tall
    for row in range(round(side / down)):
        start = -(row % 2) * across / 2
        for column in range(round(side / across) + 2):
            sheet.paste(line, (round(start + column * across), round(row * down)))
    turned = sheet.rotate(between(rng, -50, 50), Image.Resampling.BICUBIC)
    canvas.paste(turned, (width - side) / 2, (height - side) / 2)


def page(rng: Rng, canvas: Canvas) -> None:
    """Take the photo away and write a page: a chat, a receipt, a form."""
    width, height = canvas.photo.size
    ground = pick(rng, ((255, 255, 255), (245, 245, 245), (30, 30, 34), any_colour(rng)))
    canvas.photo.paste(ground, (0, 0, width, height))
    tall = spread(rng, 0.02, 0.06) * canvas.short
    top, left = tall, pick(rng, (0.04, 0.04, 0.3)) * width
    while top < height - tall:
        if chance(rng, 0.85):
            line = _fitting(rng, between(rng, 0.3, 0.92) * width, tall, readable_on(ground))
            canvas.paste(line, left if chance(rng, 0.8) else width - line.width - left, top)
        top += tall * between(rng, 1.3, 2.5)
