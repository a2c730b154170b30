"""The photos that are measured on: rendered ones, most of them brought to a phone's size."""

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.progress import track

from stack.catalogue.catalogue import render_catalogue

SEED = 20260201
AS_RENDERED_EVERY = 4
QUALITY = 88
MIXTURE = (
    "1 in 4 as rendered (about 640 x 480), 3 in 4 enlarged to 2 to 3 megapixels with sensor noise, "
    f"JPEG quality {QUALITY}, as phones and shop apps send them"
)
SMALL_SIDE = 240  # pixels of the long side of the photos of the memory runs
SMALL = f"long side {SMALL_SIDE} pixels, each content its own"

_NOISE = 6  # levels either way
_NOISE_SIDE = 2560
_MEGAPIXELS = (2.0, 3.0)


def phone_mixture(photos: int) -> Iterator[bytes]:
    """Yield JPEG files in the MIXTURE; the same bytes in every run."""
    rng = np.random.default_rng(SEED)
    noise = rng.integers(-_NOISE, _NOISE + 1, (_NOISE_SIDE, _NOISE_SIDE, 3), dtype=np.int16)
    stream = render_catalogue(SEED, photos)
    for number, photo in enumerate(track(stream, "rendering photos", total=photos)):
        if number % AS_RENDERED_EVERY == 0:
            yield photo.data
        else:
            yield _enlarged(photo.data, rng.uniform(*_MEGAPIXELS), noise)


def small_contents(photos: int, distinct: int) -> Iterator[bytes]:
    """Yield `photos` small JPEG files from `distinct` pictures.

    A number behind the end of the picture, which decoders do not read, makes each content hash
    its own: otherwise all but the first would be duplicates.
    """
    stream = render_catalogue(SEED, distinct)
    pictures = [_reduced(p.data) for p in track(stream, "small photos", total=distinct)]
    for number in range(photos):
        yield pictures[number % distinct] + b"#%d" % number


def _enlarged(data: bytes, megapixels: float, noise: npt.NDArray[np.int16]) -> bytes:
    photo = Image.open(io.BytesIO(data))
    factor = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    size = (int(photo.width * factor), int(photo.height * factor))
    pixels = np.asarray(photo.resize(size, Image.Resampling.BICUBIC))
    noisy = pixels + noise[: size[1], : size[0]]
    return _jpeg(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), photo.getexif())


def _reduced(data: bytes) -> bytes:
    photo = Image.open(io.BytesIO(data))
    photo.thumbnail((SMALL_SIDE, SMALL_SIDE))
    return _jpeg(photo, photo.getexif())


def _jpeg(photo: Image.Image, exif: Image.Exif) -> bytes:
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=QUALITY, exif=exif)
    return out.getvalue()
