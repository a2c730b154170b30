"""Real photos of a folder at the size of phone photos, for the benchmarks of speed."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

SEED = 20260301
STRIDE = 7919  # a prime: stepping through a sorted list mixes its sources
MEGAPIXELS = (2.0, 3.0)
QUALITY = 88
MIXTURE = (
    "real photos of the folder, the largest files first, those below 2 megapixels enlarged to "
    f"2 to 3 (bicubic), all saved anew as JPEG of quality {QUALITY}"
)


def enlarged_photos(folder: Path, photos: int) -> Iterator[bytes]:
    """Yield JPEG files as MIXTURE describes; the same bytes in every run.

    The largest files are those with the most detail: enlarged, they cost what phone photos cost.
    """
    files = [file for file in folder.rglob("*") if file.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    largest = sorted(files, key=lambda file: (-file.stat().st_size, file.name))[:photos]
    rng = np.random.default_rng(SEED)
    for number in track(range(photos), "enlarging photos"):
        yield _enlarge(largest[number * STRIDE % len(largest)], rng.uniform(*MEGAPIXELS))


def _enlarge(file: Path, megapixels: float) -> bytes:
    with Image.open(file) as opened:
        photo = opened.convert("RGBA").convert("RGB")
    factor = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    if factor > 1:
        size = (round(photo.width * factor), round(photo.height * factor))
        photo = photo.resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
