"""Photos of many classes, one color each, that a small model learns in seconds."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

_COLOURS = (
    (200, 200, 200), (200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (200, 40, 200),
    (40, 200, 200),
)  # fmt: skip


def class_photo(number: int, *, seed: int) -> bytes:
    """Return a noisy 64 x 48 JPEG in the color of class `number` (0 to 6), unique to the seed.

    Noise has no structure for PDQ, so that no two photos are near-duplicates.
    """
    rng = np.random.default_rng((number, seed))
    pixels = rng.integers(-40, 41, (48, 64, 3)) + np.array(_COLOURS[number])
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def class_photo_folder(root: Path, classes: list[str], *, photos: int) -> Path:
    """Create an ImageFolder with `photos` per class, with other seeds than those of the tests."""
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for seed in range(photos):
            (root / name / f"{seed:03}.jpg").write_bytes(class_photo(number, seed=10_000 + seed))
    return root
