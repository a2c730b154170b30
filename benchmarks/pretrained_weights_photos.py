"""Domains of photos without a common source: some to train on, another to test on."""

import csv
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.models.training.dataset import Dataset, open_photos
from ml.models.training.folds import FOLDS, assign_folds
from ml.models.training.image_folder import Photo
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import Preprocessing

Ints = npt.NDArray[np.int64]

CLASSES = ("normal", "violate")
TEST_FOLDS = FOLDS // 3  # of the target domain; the rest is the pool of labels


@dataclass(frozen=True)
class Domain:
    """Product photos of one source, and kinds of violations that occur only there.

    `goods` is a part of the source's name in the manifest; `kinds` are (category, part of source).
    """

    name: str
    goods: str
    kinds: tuple[tuple[str, str], ...]

    def holds(self, category: str, source: str) -> bool:
        """Return whether a row of the manifest belongs to this domain."""
        if category == "normal":
            return self.goods in source
        return any(category == kind and part in source for kind, part in self.kinds)


DOMAINS = (
    Domain("clothing", "clothing", (("ad", "clothing"), ("qr", ""), ("fire", ""))),
    Domain("groceries", "Grocery", (("ad", "Grocery"), ("text", ""), ("weapon", ""))),
)


# Of unlabelled_wide.csv. The bundled weights were distilled without these photos, see
# benchmarks/results/pretrained_weights.md.
LEFT_OUT = "left-out themes"
LEFT_OUT_THEMES = {
    "violate": ("cigarettes", "documents", "fire-smoke", "weapons"),
    "normal": (
        "bags-people", "bottles-drinks", "cosmetics", "drinks", "furniture", "logos-cars",
        "street-signs",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Direction:
    """Names of the domains to train on, and of the one that is new."""

    sources: tuple[str, ...]
    target: str


DIRECTIONS = (
    Direction(("clothing",), "groceries"),
    Direction(("groceries",), "clothing"),
    Direction(("clothing", "groceries"), LEFT_OUT),
)


def list_photos(data: Path) -> list[tuple[Photo, str]]:
    """Return the labelled photos with the name of their domain, by path.

    They are those of `manifest.csv`, and of `unlabelled_wide.csv` where it exists.
    """
    return [*_list_labelled(data), *_list_left_out(data)]


def _list_left_out(data: Path) -> list[tuple[Photo, str]]:
    table = data / "unlabelled_wide.csv"
    if not table.is_file():
        return []
    label_of = {theme: label for label, themes in LEFT_OUT_THEMES.items() for theme in themes}
    with table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["theme"] in label_of]
    return [
        (
            Photo(
                data / "unlabelled_wide" / row["file"],
                f"{label_of[row['theme']]}/{row['theme']}/{row['file']}",
                label_of[row["theme"]],
            ),
            LEFT_OUT,
        )
        for row in rows
    ]


def _list_labelled(data: Path) -> list[tuple[Photo, str]]:
    with (data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith("photos/")]
    found: list[tuple[Photo, str]] = []
    for row in sorted(rows, key=lambda row: row["path"]):
        photo = Photo(data / row["path"], row["path"].removeprefix("photos/"), row["label"])
        domains = (d.name for d in DOMAINS if d.holds(row["category"], row["source"]))
        found.extend((photo, name) for name in domains)
    return found


def open_dataset(
    photos: Sequence[tuple[Photo, str]], spec: Preprocessing, scratch: Path
) -> AbstractContextManager[Dataset]:
    """Open the photos as a dataset, decoded once for all trainings."""
    return open_photos(
        [photo for photo, _ in photos], [], classes=CLASSES, spec=spec,
        limits=DecodeLimits(), scratch=scratch,
    )  # fmt: skip


@dataclass(frozen=True)
class Transfer:
    """One direction, and dataset indices of its photos by use."""

    direction: Direction
    source: Ints
    label_pool: Ints
    test: Ints

    def draw_labels(self, labels: int, chance: np.random.Generator) -> Ints:
        """Return `labels` random photos of the label pool."""
        return chance.permutation(self.label_pool)[:labels]


def transfers(dataset: Dataset, domain_of: dict[str, str]) -> list[Transfer]:
    """Return each direction whose photos exist; near-duplicates are on one side of a split.

    Args:
        dataset: of `list_photos`.
        domain_of: name of a photo -> name of its domain.

    """
    domains = np.array([domain_of[photo.file.name] for photo in dataset.photos])
    groups = dataset.groups
    found = []
    for direction in DIRECTIONS:
        if direction.target not in domains:
            continue
        target = np.flatnonzero(domains == direction.target)
        folds = assign_folds(
            [dataset.labels[i] for i in target],
            [dataset.categories[i] for i in target],
            [groups[i] for i in target],
            seed=0,
        )
        source = np.flatnonzero(np.isin(domains, direction.sources))
        is_test = folds < TEST_FOLDS
        found.append(Transfer(direction, source, target[~is_test], target[is_test]))
    return found
