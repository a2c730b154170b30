"""The photos of the month demo: to learn from first, to be judged and labelled, never seen."""

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

from ml.errors import TrainingError
from ml.images.decode import decode_limits
from ml.policy.policy import load_policy
from ml.settings import Settings
from ml.training.dataset import open_dataset
from ml.training.preset import load_preset
from stack.catalogue.catalogue import render_catalogue
from stack.catalogue.render import render_photo
from stack.demo_photos import SEED, Upload

VIOLATING_SHARE = 0.3
WAVE = 150  # photos of the new category beyond its share: a wave of something new
FEW = 4  # photos of the new category that the first model may see
FIRST, MONTH = 0.4, 0.4  # shares; the rest nobody sees before the last comparison
MONTH_OF_NEW = 0.6


@dataclass(frozen=True)
class MonthPhotos:
    """Photos by what happens to them; `labels` is the CSV of the first ones' labels."""

    training: Path
    labels: Path
    month: list[Upload]
    unseen: list[Upload]
    new_category: str


def rendered(folder: Path, photos: int, new_category: str) -> MonthPhotos:
    """Render the sample catalogue, a third of it violating, and a wave of the new category."""
    drawn = _fresh(folder) / "drawn"
    drawn.mkdir()
    uploads = []
    stream = chain(
        render_catalogue(SEED, photos, VIOLATING_SHARE),
        (render_photo(SEED, photos + number, new_category) for number in range(WAVE)),
    )
    for photo in track(stream, "rendering photos", total=photos + WAVE):
        path = drawn / photo.name
        path.write_bytes(photo.data)
        uploads.append(Upload(photo.name, path, photo.label, photo.category, broken=False))
    return _dealt(folder, [[upload] for upload in uploads], new_category)


def from_folder(folder: Path, dataset: Path, new_category: str, settings: Settings) -> MonthPhotos:
    """Take a labelled folder; near-identical photos are dealt together."""
    groups: dict[int, list[Upload]] = defaultdict(list)
    with open_dataset(
        dataset,
        policy=load_policy(settings.policy_file),
        spec=load_preset("fast").preprocessing,
        limits=decode_limits(settings),
        scratch=_fresh(folder),
    ) as opened:
        for scanned, group in zip(opened.scanned, opened.groups, strict=True):
            photo = scanned.photo
            category = photo.category.rsplit("/", 1)[-1]
            name = photo.name.replace("/", "_")
            groups[group].append(Upload(name, photo.path, photo.label, category, broken=False))
    # A folder lists one source after the other: in that order the month would bring another shop's
    # photos.
    mixed = list(groups.values())
    random.Random(SEED).shuffle(mixed)
    return _dealt(folder, mixed, new_category)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _dealt(folder: Path, groups: Sequence[list[Upload]], new_category: str) -> MonthPhotos:
    """Deal groups of look-alikes to the three sides, category by category, in their order.

    Raises:
        TrainingError: there are too few photos of the new category.
    """
    by_category: dict[str, list[list[Upload]]] = defaultdict(list)
    for group in groups:
        by_category[group[0].category].append(group)
    if len(by_category[new_category]) < 10 * FEW:
        known = ", ".join(sorted(name for name, found in by_category.items() if found))
        raise TrainingError(f"too few photos of `{new_category}`; the categories are {known}")
    first, month, unseen = [], [], []
    for category, found in sorted(by_category.items()):
        a, b = _cuts(len(found), is_new=category == new_category)
        first += found[:a]
        month += found[a:b]
        unseen += found[b:]
    training = folder / "training"
    _copy(_flat(first), training)
    labels = folder / "labels.csv"
    _write_labels(_flat(first), labels)
    return MonthPhotos(training, labels, _flat(month), _flat(unseen), new_category)


def _cuts(groups: int, *, is_new: bool) -> tuple[int, int]:
    if is_new:
        return FEW, FEW + round((groups - FEW) * MONTH_OF_NEW)
    return round(groups * FIRST), round(groups * (FIRST + MONTH))


def _flat(groups: Iterable[list[Upload]]) -> list[Upload]:
    return [upload for group in groups for upload in group]


def _place(upload: Upload) -> Path:
    return Path(upload.label) / upload.category / upload.name


def _copy(uploads: Iterable[Upload], training: Path) -> None:
    for upload in uploads:
        path = training / _place(upload)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(upload.path, path)


def _write_labels(uploads: Iterable[Upload], path: Path) -> None:
    # Of now: the run that Airflow schedules for the month before, once the DAG is on, must skip.
    at = datetime.now(UTC).isoformat()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "category", "reviewer", "decided_at"))
        for upload in uploads:
            place = Path("training") / _place(upload)
            category = upload.category if upload.label != upload.category else ""
            rows.writerow((place.as_posix(), upload.label, category, "shop", at))
