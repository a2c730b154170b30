"""Training samples of the text gate: product photos, a share of them with drawn text."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.text_gate import overlays
from ml.vision.screens.text.gate import SHORT_SIDE, STRIDE

DRAW_SHORT_SIDE = 384  # pixels; text is drawn at this size, then reduced, as a camera does
TEXT_SHARE = 0.6
_MIN_COVERAGE = 0.4  # of a cell

# Watermarks are the hardest to see.
_OVERLAYS = (
    *2 * (overlays.draw_banner, overlays.draw_lines),
    *3 * (overlays.draw_watermark, overlays.draw_tiled_watermark),
    overlays.draw_page, overlays.draw_photographed_page, overlays.draw_flyer,
)  # fmt: skip
_TURNED_SHARE = 0.1  # of the samples: by a quarter or by half
_BLURRED_SHARE = 0.4


@dataclass(frozen=True)
class Sample:
    """A square grayscale window (side, side), 0..255, and its cells with text (side/8, side/8)."""

    grey: npt.NDArray[np.uint8]
    cells: npt.NDArray[np.bool_]


def is_trained_on(photo: Path) -> bool:
    """Whether a photo is one of the half that the gate learns from; benchmarks use the others."""
    return hashlib.sha256(photo.name.encode()).digest()[-1] % 2 == 0


def generate_samples(photos: Sequence[Path], numbers: Iterable[int], seed: int) -> Iterator[Sample]:
    """Yield the samples of these numbers, cycling through the photos; deterministic for a seed."""
    for number in numbers:
        rng = np.random.default_rng((seed, number))
        with Image.open(photos[number % len(photos)]) as photo:
            yield make_sample(rng, photo.convert("RGB"))


def make_sample(rng: Rng, photo: Image.Image) -> Sample:
    """Return a window of the photo, with or without text, after JPEG compression."""
    scale = DRAW_SHORT_SIDE / min(photo.size)
    sized = photo.resize((round(photo.width * scale), round(photo.height * scale)))
    canvas = overlays.Canvas(sized, Image.new("L", sized.size))
    if chance(rng, TEXT_SHARE):
        choice(rng, _OVERLAYS)(rng, canvas)
    photo, mask = _through_jpeg(rng, canvas.photo), canvas.mask
    if chance(rng, _TURNED_SHARE):
        turn = choice(rng, (90, 180, 270))
        photo, mask = (layer.rotate(turn, expand=True) for layer in (photo, mask))
    return _crop_window(rng, photo, mask)


def _through_jpeg(rng: Rng, photo: Image.Image) -> Image.Image:
    if chance(rng, _BLURRED_SHARE):  # small photos are enlarged: text must not be what is sharp
        photo = photo.filter(ImageFilter.GaussianBlur(uniform(rng, 0.3, 1.8)))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=integer(rng, 50, 95))
    return Image.open(buffer).convert("L")


def _crop_window(rng: Rng, grey: Image.Image, mask: Image.Image) -> Sample:
    side = min(grey.size)
    left, top = (round(uniform(rng, 0, 1) * (full - side)) for full in grey.size)
    box = (left, top, left + side, top + side)
    cells = SHORT_SIDE // STRIDE
    pixels = grey.resize((SHORT_SIDE, SHORT_SIDE), Image.Resampling.BOX, box)
    covered = mask.resize((cells, cells), Image.Resampling.BOX, box)
    if chance(rng, 0.5):
        pixels = pixels.point(_contrast_table(uniform(rng, 0.7, 1.2), uniform(rng, -25, 25)))
    return Sample(np.asarray(pixels), np.asarray(covered) >= 255 * _MIN_COVERAGE)


def _contrast_table(factor: float, shift: float) -> list[int]:
    return [min(max(round((n - 128) * factor + 128 + shift), 0), 255) for n in range(256)]
