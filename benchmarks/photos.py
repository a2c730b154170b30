"""Photos of the benchmarks: rendered, most of them enlarged to the size of phone photos."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.progress import track

from benchmarks.screens_photos import load_real_photos, shop_mixture
from devtools.sample_photos.catalogue import render_catalogue

SEED = 20260201
AS_RENDERED_EVERY = 4
QUALITY = 88
MIXTURE = (
    "1 in 4 as rendered (about 640 x 480), 3 in 4 enlarged to 2 to 3 megapixels with sensor noise, "
    f"JPEG quality {QUALITY}, as phones and shop apps send them"
)
VIOLATING_SHARE = 0.2
REAL = (
    "real photos, 1 in 5 violating, enlarged to 2 to 3 megapixels with sensor noise, "
    f"JPEG quality {QUALITY}"
)
SMALL_SIDE = 240  # pixels of the long side of the photos of the memory runs
SMALL = f"long side {SMALL_SIDE} pixels, all contents different"

_NOISE = 6  # levels, plus or minus
_NOISE_SIDE = 2560
_MEGAPIXELS = (2.0, 3.0)


def phone_mixture(photos: int) -> Iterator[bytes]:
    """Yield JPEG files as MIXTURE describes; the same bytes in every run."""
    rng = np.random.default_rng(SEED)
    noise = rng.integers(-_NOISE, _NOISE + 1, (_NOISE_SIDE, _NOISE_SIDE, 3), dtype=np.int16)
    stream = render_catalogue(SEED, photos)
    for number, photo in enumerate(track(stream, "rendering photos", total=photos)):
        if number % AS_RENDERED_EVERY == 0:
            yield photo.data
        else:
            yield _enlarge(photo.data, rng.uniform(*_MEGAPIXELS), noise)


def real_phone_photos(folder: Path, photos: int) -> list[bytes]:
    """JPEG files of real photos, as `REAL` describes; fewer if the folder has fewer."""
    rng = np.random.default_rng(SEED)
    noise = rng.integers(-_NOISE, _NOISE + 1, (_NOISE_SIDE, _NOISE_SIDE, 3), dtype=np.int16)
    found = shop_mixture(load_real_photos(folder), VIOLATING_SHARE)[:photos]
    return [_enlarge(p.read(), rng.uniform(*_MEGAPIXELS), noise) for p in track(found, "enlarging")]


def small_contents(photos: int, distinct: int) -> Iterator[bytes]:
    """Yield `photos` small JPEG files from `distinct` pictures.

    A number after the end of the picture, which decoders do not read, makes each content hash
    unique: otherwise all but the first would be duplicates.
    """
    stream = render_catalogue(SEED, distinct)
    pictures = [_reduce(p.data) for p in track(stream, "small photos", total=distinct)]
    for number in range(photos):
        yield pictures[number % distinct] + b"#%d" % number


def _enlarge(data: bytes, megapixels: float, noise: npt.NDArray[np.int16]) -> bytes:
    photo = Image.open(io.BytesIO(data)).convert("RGB")
    factor = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    size = (
        min(int(photo.width * factor), _NOISE_SIDE),
        min(int(photo.height * factor), _NOISE_SIDE),
    )
    pixels = np.asarray(photo.resize(size, Image.Resampling.BICUBIC))
    noisy = pixels + noise[: size[1], : size[0]]
    return _encode_jpeg(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), photo.getexif())


def _reduce(data: bytes) -> bytes:
    photo = Image.open(io.BytesIO(data))
    photo.thumbnail((SMALL_SIDE, SMALL_SIDE))
    return _encode_jpeg(photo, photo.getexif())


def _encode_jpeg(photo: Image.Image, exif: Image.Exif) -> bytes:
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=QUALITY, exif=exif)
    return out.getvalue()
