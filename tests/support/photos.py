"""Small generated photos; the test champion classifies them by brightness."""

import io

import numpy as np
from PIL import Image

BRIGHT, DARK, MIDDLE = 205, 50, 128


def photo(brightness: int = BRIGHT, *, seed: int = 0, size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a noisy gray JPEG with content unique to `seed`."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-40, 41, (size[1], size[0], 3)) + brightness
    out = io.BytesIO()
    Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()
