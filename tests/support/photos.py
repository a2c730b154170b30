"""Small generated photos; the test champion classifies them by brightness."""

import io

import numpy as np
from PIL import Image, ImageDraw

from devtools.sample_photos.rendering.fonts import BOLD, font

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


def banner(shown: str, *, bright: bool = True) -> bytes:
    """Return a photo with a line of text, which the test champion passes if it is bright."""
    canvas = Image.open(io.BytesIO(photo(BRIGHT if bright else DARK, size=(640, 480))))
    pen, out = ImageDraw.Draw(canvas), io.BytesIO()
    pen.rectangle((10, 200, 630, 260), fill=(235, 235, 235))
    pen.text((20, 208), shown, fill=(20, 20, 20), font=font(BOLD, 40))
    canvas.save(out, "JPEG", quality=95)
    return out.getvalue()
