"""Real photos of a folder at the size of phone photos, for the benchmarks of speed."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

SEED = 20260301
MEGAPIXELS = (2.0, 3.0)
QUALITY = 88
MIXTURE = (
    "real photos, evenly spaced in the folder, those below 2 megapixels enlarged to 2 to 3 with "
    f"sensor noise, all saved again as JPEG of quality {QUALITY}"
)

_NOISE = 4  # levels, plus or minus: what enlarging smooths away, and what makes phone photos large


def enlarged_photos(folder: Path, photos: int) -> Iterator[bytes]:
    """Yield JPEG files as MIXTURE describes; the same bytes in every run."""
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in {".jpg", ".jpeg", ".png"})
    rng = np.random.default_rng(SEED)
    for number in track(range(photos), "enlarging photos"):
        yield _enlarge(files[number * len(files) // photos], rng.uniform(*MEGAPIXELS), rng)


def _enlarge(file: Path, megapixels: float, rng: np.random.Generator) -> bytes:
    with Image.open(file) as opened:
        photo = opened.convert("RGBA").convert("RGB")
    factor = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    if factor > 1:
        size = (round(photo.width * factor), round(photo.height * factor))
        pixels = np.asarray(photo.resize(size, Image.Resampling.BICUBIC), np.int16)
        noisy = pixels + rng.integers(-_NOISE, _NOISE + 1, pixels.shape, np.int16)
        photo = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
