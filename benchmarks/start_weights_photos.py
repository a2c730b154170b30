"""Two worlds of photos that share no source: what is learnt in one is asked in the other."""

import csv
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.images.decode import DecodeLimits
from ml.images.preprocess import Preprocessing
from ml.training.dataset import Dataset, open_photos
from ml.training.folder import Photo
from ml.training.split import split

Ints = npt.NDArray[np.int64]

CLASSES = ("normal", "violate")
TESTED = 0.5  # of the unseen world: asked; the others lend the labels


@dataclass(frozen=True)
class World:
    """Photos of goods of one shop, and kinds of violations that only occur there.

    `goods` is a part of the source's name in the manifest; `kinds` are (category, part of source).
    """

    name: str
    goods: str
    kinds: tuple[tuple[str, str], ...]

    def holds(self, category: str, source: str) -> bool:
        """Whether a row of the manifest belongs here."""
        if category == "normal":
            return self.goods in source
        return any(category == kind and part in source for kind, part in self.kinds)


WORLDS = (
    World("clothing", "clothing", (("ad", "clothing"), ("qr", ""), ("fire", ""))),
    World("groceries", "Grocery", (("ad", "Grocery"), ("text", ""), ("weapon", ""))),
)


def listed(data: Path) -> list[tuple[Photo, str]]:
    """The labelled photos of `manifest.csv`, each with the name of its world, sorted by path."""
    with (data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith("photos/")]
    found: list[tuple[Photo, str]] = []
    for row in sorted(rows, key=lambda row: row["path"]):
        photo = Photo(data / row["path"], row["path"].removeprefix("photos/"), row["label"])
        worlds = (w.name for w in WORLDS if w.holds(row["category"], row["source"]))
        found.extend((photo, name) for name in worlds)
    return found


def opened(
    photos: Sequence[tuple[Photo, str]], spec: Preprocessing, scratch: Path
) -> AbstractContextManager[Dataset]:
    """The photos, decoded once for all trainings."""
    return open_photos(
        [photo for photo, _ in photos], [], classes=CLASSES, spec=spec,
        limits=DecodeLimits(), scratch=scratch,
    )  # fmt: skip


@dataclass(frozen=True)
class Direction:
    """Indices into the dataset: known photos, those that may lend labels, and those asked."""

    known: World
    unseen: World
    source: Ints
    lenders: Ints
    asked: Ints

    def lent(self, labels: int, chance: np.random.Generator) -> Ints:
        """So many photos of the unseen world, drawn at random, as a shop's first labels are."""
        return chance.permutation(self.lenders)[:labels]


def directions(dataset: Dataset, world_of: dict[str, str]) -> list[Direction]:
    """Both ways through the two worlds; look-alikes are never on both sides of a split.

    Args:
        dataset: of `listed`.
        world_of: name of a photo -> name of its world.
    """
    worlds = np.array([world_of[s.photo.name] for s in dataset.scanned])
    groups = dataset.groups
    found = []
    for known, unseen in (WORLDS, WORLDS[::-1]):
        there = np.flatnonzero(worlds == unseen.name)
        lenders, asked = split(
            [dataset.labels[i] for i in there],
            [dataset.categories[i] for i in there],
            [groups[i] for i in there],
            share=TESTED,
            seed=0,
        )
        here = np.flatnonzero(worlds == known.name)
        found.append(Direction(known, unseen, here, there[lenders], there[asked]))
    return found
