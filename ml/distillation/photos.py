"""The photos of a distillation: every file below the given folders, without regard to labels."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ml.errors import TrainingError
from ml.images.decode import DecodeLimits
from ml.images.preprocess import ARTICLE, Preprocessing
from ml.training.folder import Photo, data_hash
from ml.training.pixels import PixelFile, Scanned, scan

_UNLABELLED = "unlabelled"


def squares_of(side: int, photo_side: int) -> Preprocessing:
    """ImageNet's normalisation, which teacher and start weights share, at other sizes (pixels)."""
    return ARTICLE.model_copy(update={"resize": photo_side, "crop": side})


def read_photos(
    folders: Sequence[Path],
    into: PixelFile,
    *,
    spec: Preprocessing,
    limits: DecodeLimits,
    done: Callable[[int, int], None],
) -> list[Scanned]:
    """Decode all photos that can be decoded; of equal bytes the first only, sorted by content.

    Raises:
        TrainingError: a folder is missing, or holds no photo that can be read.
    """
    listed = []
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"no folder at {folder}: name one that holds photos")
        found = sorted(p for p in folder.rglob("*") if p.is_file())
        listed += [Photo(p, p.relative_to(folder).as_posix(), _UNLABELLED) for p in found]
    scanned, _ = scan(listed, into, spec=spec, limits=limits, done=lambda n: done(n, len(listed)))
    if not scanned:
        raise TrainingError("no photo could be read: name folders of photos with --photos")
    first = {photo.content_hash: photo for photo in reversed(scanned)}
    return [first[content] for content in sorted(first)]


def photos_hash(photos: Sequence[Scanned]) -> str:
    """SHA-256 (hex) of what is learnt from, as a model card has it."""
    return data_hash([_UNLABELLED] * len(photos), [p.content_hash for p in photos])
