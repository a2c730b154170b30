"""Pixel cache: photos are decoded and resized once, then read from disk in every epoch."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transform

from ml.core.errors import ImageRejected
from ml.models.training.image_folder import Photo, SkippedFile
from ml.vision.images.decode import DecodeLimits, decode
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.preprocess import MAX_ASPECT, Preprocessing

_CHUNK = 64  # maximum number of photos decoded ahead of the writer


@dataclass(frozen=True)
class CachedPhoto:
    """A decoded photo: its fingerprints, and the position of its pixels in the PixelFile.

    `quality` is that of the PDQ hash, 0..100.
    """

    file: Photo
    content_hash: str
    perceptual_hash: str
    quality: int
    start: int
    height: int
    width: int


class PixelFile:
    """Resized photos, one after the other in an unnamed temporary file, mapped into memory.

    The operating system loads and evicts its pages on demand, so that memory does not grow with the
    folder. The file disappears with the process, however that ends.
    """

    def __init__(self, scratch: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - see close
        self._map: npt.NDArray[np.uint8] | None = None

    def append(self, pixels: npt.NDArray[np.uint8]) -> int:
        """Append the pixels (H, W, 3) of a photo and return their offset."""
        start = self._file.tell()
        self._file.write(pixels.tobytes())
        return start

    def array(self, photo: CachedPhoto) -> npt.NDArray[np.uint8]:
        """The photo's pixels (H, W, 3); a view, not to be written to."""
        if self._map is None:
            self._file.flush()
            # Copy-on-write, although nothing is written: torch warns about read-only arrays.
            self._map = np.memmap(self._file, dtype=np.uint8, mode="c")
        size = photo.height * photo.width * 3
        flat = self._map[photo.start : photo.start + size]
        return flat.reshape(photo.height, photo.width, 3)

    def tensor(self, photo: CachedPhoto) -> torch.Tensor:
        """The photo's pixels, uint8 (3, H, W); a view, not to be written to."""
        return torch.from_numpy(np.asarray(self.array(photo))).permute(2, 0, 1)

    def close(self) -> None:
        """Free the disk space."""
        self._map = None
        self._file.close()


@dataclass(frozen=True)
class _Decoded:
    pixels: npt.NDArray[np.uint8]
    content_hash: str
    perceptual_hash: str
    quality: int


def cache_photos(
    files: Sequence[Photo],
    pixels: PixelFile,
    *,
    spec: Preprocessing,
    limits: DecodeLimits,
    on_decoded: Callable[[int], None] = lambda _: None,
) -> tuple[list[CachedPhoto], list[SkippedFile]]:
    """Decode every photo once, on all cores, and resize its short side to `spec.resize`.

    Args:
        files: what to read; the order is preserved.
        pixels: receives the pixels.
        spec: size and interpolation.
        limits: size limits in bytes and pixels.
        on_decoded: called after each file with the number of files read so far.

    Returns:
        The usable photos, and the files left out with the reason.
    """
    photos: list[CachedPhoto] = []
    skipped: list[SkippedFile] = []
    for number, (file, result) in enumerate(_decode_all(files, spec, limits), start=1):
        if isinstance(result, SkippedFile):
            skipped.append(result)
        else:
            photos.append(_store(file, result, pixels))
        on_decoded(number)
    return photos, skipped


def _decode_all(
    files: Sequence[Photo], spec: Preprocessing, limits: DecodeLimits
) -> Iterator[tuple[Photo, _Decoded | SkippedFile]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(files), _CHUNK):
            chunk = files[first : first + _CHUNK]
            decoded = pool.map(lambda file: _decode(file, spec, limits), chunk)
            yield from zip(chunk, decoded, strict=True)


def _store(file: Photo, decoded: _Decoded, pixels: PixelFile) -> CachedPhoto:
    return CachedPhoto(
        file,
        decoded.content_hash,
        decoded.perceptual_hash,
        decoded.quality,
        pixels.append(decoded.pixels),
        *decoded.pixels.shape[:2],
    )


def _decode(photo: Photo, spec: Preprocessing, limits: DecodeLimits) -> _Decoded | SkippedFile:
    try:
        with photo.path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)  # one byte too many is enough to reject it
        image = decode(data, limits=limits, short_side=spec.resize).image
    except ImageRejected as error:
        return SkippedFile(photo.name, error.reason.value, error.detail)
    except OSError as error:
        return SkippedFile(photo.name, "unreadable", str(error))
    return _Decoded(resize_short_side(image, spec), content_hash(data), *perceptual_hash(image))


def resize_short_side(image: Image.Image, spec: Preprocessing) -> npt.NDArray[np.uint8]:
    """Resize the short side to `spec.resize`; (H, W, 3).

    Uses the filter of `prepare`, whose result on this image equals that on the original. As there,
    an image of extreme aspect is cropped to MAX_ASPECT first.
    """
    max_side = MAX_ASPECT * min(image.size)
    if max(image.size) > max_side:
        sides = [min(side, max_side) for side in (image.height, image.width)]
        image = transform.center_crop(image, sides)
    resized = transform.resize(image, [spec.resize], InterpolationMode(spec.interpolation))
    return np.asarray(resized)
