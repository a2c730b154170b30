"""Photos of a distillation: all files below the given folders; labels are not used."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ml.core.errors import TrainingError
from ml.models.training.image_folder import Photo, data_hash
from ml.models.training.pixel_cache import CachedPhoto, PixelFile, cache_photos
from ml.vision.images.decode import DecodeLimits
from ml.vision.images.preprocess import ARTICLE, Preprocessing

_UNLABELLED = "unlabelled"


def crop_preprocessing(crop_side: int, photo_side: int) -> Preprocessing:
    """ImageNet's normalisation, which teacher and student share, at the given sizes (pixels)."""
    return ARTICLE.model_copy(update={"resize": photo_side, "crop": crop_side})


def read_photos(
    folders: Sequence[Path],
    pixels: PixelFile,
    *,
    spec: Preprocessing,
    limits: DecodeLimits,
    on_decoded: Callable[[int, int], None],
) -> list[CachedPhoto]:
    """Decode all readable photos, without duplicates of equal bytes, sorted by content hash.

    Raises:
        TrainingError: a folder is missing, or no photo can be read.
    """
    files: list[Photo] = []
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"no folder at {folder}: name one with photos")
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        files += [Photo(p, p.relative_to(folder).as_posix(), _UNLABELLED) for p in paths]
    photos, _ = cache_photos(
        files, pixels, spec=spec, limits=limits, on_decoded=lambda n: on_decoded(n, len(files))
    )
    if not photos:
        raise TrainingError("no photo could be read: name folders of photos with --photos")
    first = {photo.content_hash: photo for photo in reversed(photos)}
    return [first[content] for content in sorted(first)]


def photos_hash(photos: Sequence[CachedPhoto]) -> str:
    """SHA-256 (hex) of the dataset, computed as for a model card."""
    return data_hash([_UNLABELLED] * len(photos), [p.content_hash for p in photos])
