"""Photos of many classes that a small model tells apart in seconds: one colour each."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

_COLOURS = (
    (200, 200, 200), (200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (200, 40, 200),
    (40, 200, 200),
)  # fmt: skip


def hued(number: int, *, seed: int) -> bytes:
    """A noisy JPEG of 64 x 48 in the colour of class `number` (0 to 6), unique to number and seed.

    Noise has no structure that PDQ would see: each photo is one of its own.
    """
    rng = np.random.default_rng((number, seed))
    pixels = rng.integers(-40, 41, (48, 64, 3)) + np.array(_COLOURS[number])
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def hued_folder(root: Path, classes: list[str], *, photos: int) -> Path:
    """An ImageFolder with `photos` of each class, of other seeds than a test's from 0 on."""
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for seed in range(photos):
            (root / name / f"{seed:03}.jpg").write_bytes(hued(number, seed=10_000 + seed))
    return root
