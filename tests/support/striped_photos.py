"""A violation unknown to the test champion: bright photos with dark stripes."""

import io

import numpy as np
from PIL import Image


def striped_photo(*, seed: int) -> bytes:
    """Return a bright noisy JPEG with broad dark stripes, unique to `seed`."""
    rng = np.random.default_rng(10_000 + seed)
    pixels = rng.integers(-30, 31, (48, 64, 3)) + 215
    first = int(rng.integers(0, 16))
    for left in range(first, 64, 16):
        pixels[:, left : left + 6] -= 190
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()
