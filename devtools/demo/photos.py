"""Photos of the demo, to train on and to upload: rendered, or from a labelled folder."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from devtools.sample_photos.broken import BROKEN_KINDS, render_broken
from devtools.sample_photos.catalogue import render_catalogue
from ml.core.settings import Settings
from ml.models.training.dataset import open_dataset
from ml.models.training.folds import assign_folds
from ml.models.training.preset import load_preset
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import decode_limits

SEED = 20260101
UPLOAD_PARTS = 5  # one of them is uploaded
BROKEN_PER_KIND = 2


@dataclass(frozen=True)
class Upload:
    """A photo to upload, with its true label."""

    name: str
    path: Path
    label: str
    category: str
    broken: bool


@dataclass(frozen=True)
class DemoPhotos:
    """The training folder, and the photos to upload."""

    training: Path
    uploads: list[Upload]


def render_photos(folder: Path, photos: int) -> DemoPhotos:
    """Render the catalogue: four fifths to train on; the rest, and broken files, to upload."""
    training, uploads_folder = _create_empty_folders(folder)
    uploads = []
    held_out = round(photos / UPLOAD_PARTS)
    stream = render_catalogue(SEED, photos)
    for number, photo in enumerate(track(stream, "rendering photos", total=photos)):
        if number < held_out:
            path = uploads_folder / photo.name
            uploads.append(Upload(photo.name, path, photo.label, photo.category, broken=False))
        else:
            # A category is a folder below its class, as in a real training folder.
            path = training / photo.label / photo.category / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.data)
    return DemoPhotos(training, uploads + list(_render_broken_photos(uploads_folder, photos)))


def _render_broken_photos(folder: Path, first: int) -> Iterator[Upload]:
    for number, kind in enumerate(BROKEN_KINDS * BROKEN_PER_KIND):
        photo = render_broken(SEED, first + number, kind)
        path = folder / photo.name
        path.write_bytes(photo.data)
        yield Upload(photo.name, path, photo.label, photo.category, broken=True)


def split_dataset(folder: Path, dataset: Path, settings: Settings) -> DemoPhotos:
    """Hold out a fifth of a labelled folder to upload; near-duplicates stay on one side.

    Raises:
        TrainingError: the folder is not an ImageFolder of the policy's classes.
    """
    training, _ = _create_empty_folders(folder)
    with open_dataset(
        dataset,
        policy=load_policy(settings.policy_file),
        spec=load_preset("fast").preprocessing,
        limits=decode_limits(settings),
        scratch=folder,
    ) as opened:
        photos = [photo.file for photo in opened.photos]
        parts = assign_folds(
            opened.labels, opened.categories, opened.groups, seed=SEED, folds=UPLOAD_PARTS
        )
    for index in np.flatnonzero(parts != 0):
        link = training / photos[index].name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(photos[index].path.resolve())
    uploads = [photos[index] for index in np.flatnonzero(parts == 0)]
    return DemoPhotos(
        training, [Upload(p.name, p.path, p.label, p.category, broken=False) for p in uploads]
    )


def _create_empty_folders(folder: Path) -> tuple[Path, Path]:
    shutil.rmtree(folder, ignore_errors=True)
    training, uploads = folder / "training", folder / "uploads"
    training.mkdir(parents=True)
    uploads.mkdir()
    return training, uploads
