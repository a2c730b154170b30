"""Photos of the retraining demo: for the first training, to label after a run, and held out."""

import csv
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from rich.progress import track

from devtools.demo.photos import SEED, Upload
from devtools.sample_photos.catalogue import render_catalogue
from devtools.sample_photos.render import render_photo
from ml.core.errors import TrainingError
from ml.core.settings import Settings
from ml.models.training.dataset import open_dataset
from ml.models.training.preset import load_preset
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import decode_limits

VIOLATING_SHARE = 0.3
EXTRA_NEW_PHOTOS = 150  # of the new category, beyond its share of the catalogue
FIRST_NEW_GROUPS = 4  # of the new category, in the first training
FIRST_SHARE, TO_LABEL_SHARE = 0.4, 0.4  # the rest is held out for the final comparison
NEW_TO_LABEL_SHARE = 0.6


@dataclass(frozen=True)
class RetrainingPhotos:
    """Photos by use; `labels` is the CSV file with the labels of the training photos."""

    training: Path
    labels: Path
    to_label: list[Upload]
    held_out: list[Upload]
    new_category: str


def render_photos(folder: Path, photos: int, new_category: str) -> RetrainingPhotos:
    """Render the sample catalogue, a third of it violating, and many of the new category."""
    rendered = _create_empty_folder(folder) / "rendered"
    rendered.mkdir()
    uploads = []
    stream = chain(
        render_catalogue(SEED, photos, VIOLATING_SHARE),
        (render_photo(SEED, photos + number, new_category) for number in range(EXTRA_NEW_PHOTOS)),
    )
    for photo in track(stream, "rendering photos", total=photos + EXTRA_NEW_PHOTOS):
        path = rendered / photo.name
        path.write_bytes(photo.data)
        uploads.append(Upload(photo.name, path, photo.label, photo.category, broken=False))
    return _split_groups(folder, [[upload] for upload in uploads], new_category)


def split_dataset(
    folder: Path, dataset: Path, new_category: str, settings: Settings
) -> RetrainingPhotos:
    """Split a labelled folder; near-duplicates stay together."""
    groups: dict[int, list[Upload]] = defaultdict(list)
    with open_dataset(
        dataset,
        policy=load_policy(settings.policy_file),
        spec=load_preset("fast").preprocessing,
        limits=decode_limits(settings),
        scratch=_create_empty_folder(folder),
    ) as opened:
        for cached, group in zip(opened.photos, opened.groups, strict=True):
            photo = cached.file
            category = photo.category.rsplit("/", 1)[-1]
            name = photo.name.replace("/", "_")
            groups[group].append(Upload(name, photo.path, photo.label, category, broken=False))
    # A folder is sorted by source: without shuffling, the three parts would have other sources.
    shuffled = list(groups.values())
    random.Random(SEED).shuffle(shuffled)
    return _split_groups(folder, shuffled, new_category)


def _create_empty_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _split_groups(
    folder: Path, groups: Sequence[list[Upload]], new_category: str
) -> RetrainingPhotos:
    """Split groups of near-duplicates into the three parts, category by category, in order.

    Raises:
        TrainingError: there are too few photos of the new category.
    """
    by_category: dict[str, list[list[Upload]]] = defaultdict(list)
    for group in groups:
        by_category[group[0].category].append(group)
    if len(by_category[new_category]) < 10 * FIRST_NEW_GROUPS:
        known = ", ".join(sorted(name for name, found in by_category.items() if found))
        raise TrainingError(f"too few photos of `{new_category}`; the categories are {known}")
    first, to_label, held_out = [], [], []
    for category, members in sorted(by_category.items()):
        a, b = _split_points(len(members), is_new=category == new_category)
        first += members[:a]
        to_label += members[a:b]
        held_out += members[b:]
    training = folder / "training"
    _copy_photos(_flatten(first), training)
    labels = folder / "labels.csv"
    _write_labels(_flatten(first), labels)
    return RetrainingPhotos(training, labels, _flatten(to_label), _flatten(held_out), new_category)


def _split_points(groups: int, *, is_new: bool) -> tuple[int, int]:
    if is_new:
        return FIRST_NEW_GROUPS, FIRST_NEW_GROUPS + round(
            (groups - FIRST_NEW_GROUPS) * NEW_TO_LABEL_SHARE
        )
    return round(groups * FIRST_SHARE), round(groups * (FIRST_SHARE + TO_LABEL_SHARE))


def _flatten(groups: Iterable[list[Upload]]) -> list[Upload]:
    return [upload for group in groups for upload in group]


def _relative_path(upload: Upload) -> Path:
    return Path(upload.label) / upload.category / upload.name


def _copy_photos(uploads: Iterable[Upload], training: Path) -> None:
    for upload in uploads:
        path = training / _relative_path(upload)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(upload.path, path)


def _write_labels(uploads: Iterable[Upload], path: Path) -> None:
    # Labelled now, so that the run that Airflow schedules for the previous month has no new labels.
    at = datetime.now(UTC).isoformat()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "category", "reviewer", "decided_at"))
        for upload in uploads:
            place = Path("training") / _relative_path(upload)
            category = upload.category if upload.label != upload.category else ""
            rows.writerow((place.as_posix(), upload.label, category, "shop", at))
