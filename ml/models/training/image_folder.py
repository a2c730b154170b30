"""ImageFolder: labeled photo files, a folder per class, decoded once into a file of pixels."""

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np
import numpy.typing as npt
import torch

from ml.core.concurrency import bounded_map
from ml.core.errors import ImageRejected, TrainingError
from ml.policy.schema import Policy
from ml.vision.images.decode import decode
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import Preprocessing, resize
from ml.vision.images.views import SEVERAL_VIEWS

_MAX_AHEAD = 64  # photos that are decoded before the results of earlier ones are used


@dataclass(frozen=True)
class Photo:
    """A labeled photo file.

    `category` is the folder below the class ("violate/qr"), or the class itself.
    """

    path: Path
    name: str
    label: str

    @property
    def category(self) -> str:
        """The class, with the first folder below it where there is one."""
        parts = self.name.split("/")
        return "/".join(parts[: min(2, len(parts) - 1)])

    def read(self, max_bytes: int) -> bytes:
        """Its bytes; one over `max_bytes` at most, which is enough to reject it."""
        with self.path.open("rb") as file:
            return file.read(max_bytes + 1)


@dataclass(frozen=True)
class SkippedFile:
    """A file left out, and why: a quarantine reason, `unreadable`, `no_class`, `contradiction`."""

    name: str
    reason: str
    detail: str


def list_photos(data: Path, policy: Policy) -> tuple[list[Photo], list[SkippedFile]]:
    """List all files of an ImageFolder, sorted by name; names that start with a dot are ignored.

    Returns the files in the class folders, and the stray files next to these folders, which have no
    class.

    Raises:
        TrainingError: the folders are not exactly the classes of the policy, or one is empty.
    """
    if not data.is_dir():
        raise TrainingError(f"no folder at {data}: name one with a folder for each class")
    entries = sorted(p for p in data.iterdir() if not p.name.startswith("."))
    _check_classes({p.name for p in entries if p.is_dir()}, set(policy.classes), data)
    photos = [
        Photo(path, path.relative_to(data).as_posix(), folder.name)
        for folder in entries
        if folder.is_dir()
        for path in _files(folder)
    ]
    empty = sorted(set(policy.classes) - {p.label for p in photos})
    if empty:
        raise TrainingError(f"{data} has no file for {', '.join(empty)}: add photos of it")
    stray = [
        SkippedFile(p.name, "no_class", "not in a class folder") for p in entries if p.is_file()
    ]
    return photos, stray


def _files(folder: Path) -> list[Path]:
    """Sorted by path as text, so that the order is the same on every machine."""
    files = (p for p in folder.rglob("*") if p.is_file())
    visible = (p for p in files if not any(q.startswith(".") for q in p.relative_to(folder).parts))
    return sorted(visible, key=lambda p: p.as_posix())


def _check_classes(folders: set[str], classes: set[str], data: Path) -> None:
    problems = {"missing": classes - folders, "unknown to the policy": folders - classes}
    details = [
        f"{problem}: {', '.join(sorted(names))}" for problem, names in problems.items() if names
    ]
    if details:
        raise TrainingError(
            f"the folders of {data} must be the classes of the policy, "
            f"{', '.join(sorted(classes))} ({'; '.join(details)}): rename or move them, or name "
            "the class in config/policy.yaml"
        )


def find_contradictions(labels: Sequence[str], hashes: Sequence[str]) -> set[str]:
    """Content hashes of files that are in two classes: at least one of their labels is wrong."""
    classes = Counter(content for content, _ in set(zip(hashes, labels, strict=True)))
    return {content for content, count in classes.items() if count > 1}


def data_hash(labels: Sequence[str], hashes: Sequence[str]) -> str:
    """SHA-256 (hex) over the sorted (content hash, class) pairs of a dataset, one pair per line.

    Independent of the names and the order of the files.
    """
    lines = sorted(f"{content} {label}\n" for label, content in zip(labels, hashes, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


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
        self._lock = Lock()

    def append(self, pixels: npt.NDArray[np.uint8]) -> int:
        """Append the pixels (H, W, 3) of a photo and return their offset. Thread-safe."""
        with self._lock:
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


def cache_photos(
    files: Sequence[Photo],
    pixels: PixelFile,
    *,
    spec: Preprocessing,
    limits: DecodeLimits,
    on_decoded: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[list[CachedPhoto], list[SkippedFile]]:
    """Decode every photo once, on all cores, and resize it as `prepare` does before its crop.

    Returns the usable photos in the order of the files, and the files left out with the reason.
    `on_decoded` is called after each file with the number of files read so far and of all files.
    """
    photos: list[CachedPhoto] = []
    skipped: list[SkippedFile] = []

    def decode_file(file: Photo) -> CachedPhoto | SkippedFile:
        return _cache_photo(file, pixels, spec, limits)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = bounded_map(pool, decode_file, files, ahead=_MAX_AHEAD)
        for number, result in enumerate(results, start=1):
            if isinstance(result, SkippedFile):
                skipped.append(result)
            else:
                photos.append(result)
            on_decoded(number, len(files))
    return photos, skipped


def _cache_photo(
    photo: Photo, pixels: PixelFile, spec: Preprocessing, limits: DecodeLimits
) -> CachedPhoto | SkippedFile:
    try:
        data = photo.read(limits.max_bytes)
        decoded = decode(data, limits=limits, short_side=spec.resize)
    except ImageRejected as error:
        return SkippedFile(photo.name, error.reason.value, error.detail)
    except OSError as error:
        return SkippedFile(photo.name, "unreadable", str(error))
    if decoded.has_other_views:
        detail = "several frames, backgrounds or parts: its label may be about any of them"
        return SkippedFile(photo.name, SEVERAL_VIEWS, detail)
    image = decoded.image
    resized = np.asarray(resize(image, spec))
    return CachedPhoto(
        photo,
        content_hash(data),
        *perceptual_hash(image),
        pixels.append(resized),
        *resized.shape[:2],
    )
