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


def banded_photo(*, seed: int = 0) -> bytes:
    """Return a tall JPEG, bright in its center square and dark above and below."""
    out, banded = io.BytesIO(), Image.new("RGB", (48, 144))
    for top, level in ((0, DARK), (48, BRIGHT), (96, DARK)):
        part = photo(level, seed=seed * 3 + top // 48, size=(48, 48))
        banded.paste(Image.open(io.BytesIO(part)), (0, top))
    banded.save(out, "JPEG", quality=90)
    return out.getvalue()
