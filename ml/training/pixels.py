"""Photos decoded once, reduced, kept on disk and cut from there in every epoch."""

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

from ml.errors import ImageRejected
from ml.images.decode import DecodeLimits, decode
from ml.images.fingerprint import content_hash, perceptual_hash
from ml.images.preprocess import MAX_ASPECT, Preprocessing
from ml.training.folder import Photo, Rejected

_CHUNK = 64  # photos decoded ahead of the writer at most


@dataclass(frozen=True)
class Scanned:
    """A decoded photo: its fingerprints, and where its pixels are in the PixelFile."""

    photo: Photo
    content_hash: str
    perceptual_hash: str
    quality: int
    start: int
    height: int
    width: int


class PixelFile:
    """Reduced photos one after the other in a file without a name, mapped into memory.

    The system reads and drops its pages as it needs, so that a folder of any size trains in the
    same memory; the file goes with the process, however that ends.
    """

    def __init__(self, scratch: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - see close
        self._map: npt.NDArray[np.uint8] | None = None

    def append(self, pixels: npt.NDArray[np.uint8]) -> int:
        """Add one picture (H, W, 3) and return where it starts."""
        start = self._file.tell()
        self._file.write(pixels.tobytes())
        return start

    def picture(self, scanned: Scanned) -> npt.NDArray[np.uint8]:
        """The picture, (H, W, 3); a view, not to be written to."""
        if self._map is None:
            self._file.flush()
            # "c": torch warns of read-only arrays; nothing is written all the same.
            self._map = np.memmap(self._file, dtype=np.uint8, mode="c")
        size = scanned.height * scanned.width * 3
        flat = self._map[scanned.start : scanned.start + size]
        return flat.reshape(scanned.height, scanned.width, 3)

    def tensor(self, scanned: Scanned) -> torch.Tensor:
        """The picture as torch has it, uint8 (3, H, W); a view, not to be written to."""
        return torch.from_numpy(np.asarray(self.picture(scanned))).permute(2, 0, 1)

    def close(self) -> None:
        """Free the disk."""
        self._map = None
        self._file.close()


@dataclass(frozen=True)
class _Reduced:
    pixels: npt.NDArray[np.uint8]
    content_hash: str
    perceptual_hash: str
    quality: int


def scan(
    photos: Sequence[Photo],
    into: PixelFile,
    *,
    spec: Preprocessing,
    limits: DecodeLimits,
    done: Callable[[int], None] = lambda _: None,
) -> tuple[list[Scanned], list[Rejected]]:
    """Decode every photo once, on all cores, to a short side of `spec.resize` at full aspect.

    Args:
        photos: what to read; the order is kept.
        into: takes the pixels.
        spec: size and interpolation.
        limits: of bytes and pixels.
        done: is told after each photo how many are done.

    Returns:
        The photos that can be used, and those that cannot, with the reason.
    """
    scanned: list[Scanned] = []
    rejected: list[Rejected] = []
    for number, (photo, result) in enumerate(_results(photos, spec, limits), start=1):
        if isinstance(result, Rejected):
            rejected.append(result)
        else:
            scanned.append(_stored(photo, result, into))
        done(number)
    return scanned, rejected


def _results(
    photos: Sequence[Photo], spec: Preprocessing, limits: DecodeLimits
) -> Iterator[tuple[Photo, _Reduced | Rejected]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(photos), _CHUNK):
            chunk = photos[first : first + _CHUNK]
            yield from zip(chunk, pool.map(lambda p: _reduced(p, spec, limits), chunk), strict=True)


def _stored(photo: Photo, reduced: _Reduced, into: PixelFile) -> Scanned:
    return Scanned(
        photo,
        reduced.content_hash,
        reduced.perceptual_hash,
        reduced.quality,
        into.append(reduced.pixels),
        *reduced.pixels.shape[:2],
    )


def _reduced(photo: Photo, spec: Preprocessing, limits: DecodeLimits) -> _Reduced | Rejected:
    try:
        with photo.path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)  # one too many is enough to be refused
        image = decode(data, limits=limits, short_side=spec.resize).image
    except ImageRejected as error:
        return Rejected(photo.name, error.reason.value, error.detail)
    except OSError as error:
        return Rejected(photo.name, "unreadable", str(error))
    return _Reduced(resized(image, spec), content_hash(data), *perceptual_hash(image))


def resized(image: Image.Image, spec: Preprocessing) -> npt.NDArray[np.uint8]:
    """Bring the short side to `spec.resize`; (H, W, 3).

    By the same filter as `prepare`, whose result on this picture equals that on the original. Far
    ends of strips go first, as there.
    """
    longest = MAX_ASPECT * min(image.size)
    if max(image.size) > longest:
        image = transform.center_crop(image, [min(s, longest) for s in (image.height, image.width)])
    filtered = transform.resize(image, [spec.resize], InterpolationMode(spec.interpolation))
    return np.asarray(filtered)
