"""Samples that the text gate learns from: photos of goods, half of them with text drawn over."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.screens.text_gate import SHORT_SIDE, STRIDE
from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.text_gate import overlays

DRAWN_AT = 480  # pixels of the short side: letters are drawn large and reduced, as a camera does
WITH_TEXT = 0.6
_LEAST_COVERED = 0.4  # of a cell

_WAYS = (
    overlays.banner, overlays.banner, overlays.shouted, overlays.shouted, overlays.mark,
    overlays.tiled, overlays.page,
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A square window in grey (side, side), 0..255, and which cells (side / 8, twice) bear text."""

    grey: npt.NDArray[np.uint8]
    cells: npt.NDArray[np.bool_]


def samples(photos: Sequence[Path], count: int, seed: int) -> Iterator[Sample]:
    """So many samples of photos in turns; the same seed gives the same ones."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        with Image.open(photos[number % len(photos)]) as photo:
            yield sample(rng, photo.convert("RGB"))


def sample(rng: Rng, photo: Image.Image) -> Sample:
    """A window of the photo, with or without text, stored as a JPEG in between."""
    scale = DRAWN_AT / min(photo.size)
    sized = photo.resize((round(photo.width * scale), round(photo.height * scale)))
    canvas = overlays.Canvas(sized, Image.new("L", sized.size))
    if chance(rng, WITH_TEXT):
        pick(rng, _WAYS)(rng, canvas)
    return _window(rng, _stored(rng, canvas.photo), canvas.mask)


def _stored(rng: Rng, photo: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=whole(rng, 50, 95))
    return Image.open(buffer).convert("L")


def _window(rng: Rng, grey: Image.Image, mask: Image.Image) -> Sample:
    side = min(grey.size)
    left, top = (round(between(rng, 0, 1) * (full - side)) for full in grey.size)
    box = (left, top, left + side, top + side)
    cells = SHORT_SIDE // STRIDE
    pixels = grey.resize((SHORT_SIDE, SHORT_SIDE), Image.Resampling.BOX, box)
    covered = mask.resize((cells, cells), Image.Resampling.BOX, box)
    if chance(rng, 0.5):
        pixels = pixels.point(_contrast(between(rng, 0.7, 1.2), between(rng, -25, 25)))
    return Sample(np.asarray(pixels), np.asarray(covered) >= 255 * _LEAST_COVERED)


def _contrast(factor: float, shift: float) -> list[int]:
    return [min(max(round((n - 128) * factor + 128 + shift), 0), 255) for n in range(256)]
