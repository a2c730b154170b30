"""Labelled photos that the screens are measured on: of a folder, or of the sample catalogue."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.progress import track

from stack.catalogue.catalogue import render_catalogue

SEED = 20260301
SPREAD = 7919  # a prime: a step through a sorted list that meets all of its sources


@dataclass(frozen=True)
class Labelled:
    """One photo: `category` is the manifest's, or the catalogue's; `path` None: `held`."""

    key: str
    category: str
    path: Path | None = None
    held: bytes = b""

    @cached_property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size if self.path else len(self.held)

    def read(self) -> bytes:
        """The bytes of the file."""
        return self.path.read_bytes() if self.path else self.held


def real_photos(folder: Path) -> list[Labelled]:
    """The rows of `manifest.csv` under photos/ and quality/, in an order that mixes the sources."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith(_PLACES)]
    photos = [Labelled(row["path"], row["category"], folder / row["path"]) for row in rows]
    return [photos[n * SPREAD % len(photos)] for n in range(len(photos))]


_PLACES = ("photos/", "quality/")


def rendered_photos(count: int, violating_share: float) -> list[Labelled]:
    """Photos of the sample catalogue."""
    stream = render_catalogue(SEED, count, violating_share)
    shown = track(stream, "rendering photos", total=count)
    return [Labelled(p.name, p.category, held=p.data) for p in shown]


def at_most(photos: Sequence[Labelled], limits: dict[str, int]) -> list[Labelled]:
    """The first photos of each category, as many as its limit says; a category without one: all.

    Args:
        photos: in any order, which is kept.
        limits: most photos, by category.
    """
    taken: dict[str, int] = {}
    kept = []
    for photo in photos:
        taken[photo.category] = taken.get(photo.category, 0) + 1
        if taken[photo.category] <= limits.get(photo.category, len(photos)):
            kept.append(photo)
    return kept


def shop_mixture(photos: Sequence[Labelled], violating_share: float) -> list[Labelled]:
    """As many photos as there can be with a share of violations, which are dealt evenly over time.

    Args:
        photos: of which those of the category `normal` are no violations; blurred and sharp ones
            of a quality set are left out.
        violating_share: 0..1, exclusive.
    """
    normal = [p for p in photos if p.category == "normal"]
    violating = [p for p in photos if p.category not in {"normal", "blur", "sharp"}]
    most = round(len(normal) * violating_share / (1 - violating_share))
    violating = violating[:most]
    places = [(n / len(part), p) for part in (normal, violating) for n, p in enumerate(part)]
    return [photo for _, photo in sorted(places, key=lambda place: place[0])]
