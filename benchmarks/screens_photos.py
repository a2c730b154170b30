"""Labelled photos for the benchmarks of the screens: from a folder or the sample catalogue."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.progress import track

from devtools.sample_photos.catalogue import render_catalogue

SEED = 20260301
STRIDE = 7919  # a prime: stepping through a sorted list mixes its sources


@dataclass(frozen=True)
class LabelledPhoto:
    """One photo, a file at `path` or, without it, `data`; `category` of manifest or catalogue."""

    key: str
    category: str
    path: Path | None = None
    data: bytes = b""

    @cached_property
    def size(self) -> int:
        """Size in bytes."""
        return self.path.stat().st_size if self.path else len(self.data)

    def read(self) -> bytes:
        """Return the bytes."""
        return self.path.read_bytes() if self.path else self.data


def load_real_photos(folder: Path) -> list[LabelledPhoto]:
    """Load the rows of `manifest.csv` under photos/ and quality/, with mixed sources."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith(_FOLDERS)]
    photos = [LabelledPhoto(row["path"], row["category"], folder / row["path"]) for row in rows]
    return [photos[n * STRIDE % len(photos)] for n in range(len(photos))]


_FOLDERS = ("photos/", "quality/")


def render_photos(count: int, violating_share: float) -> list[LabelledPhoto]:
    """Render photos of the sample catalogue."""
    stream = render_catalogue(SEED, count, violating_share)
    shown = track(stream, "rendering photos", total=count)
    return [LabelledPhoto(p.name, p.category, data=p.data) for p in shown]


def limit_per_category(
    photos: Sequence[LabelledPhoto], limits: dict[str, int]
) -> list[LabelledPhoto]:
    """Return the first photos of each category up to its limit; without a limit, all.

    Args:
        photos: in any order, which is kept.
        limits: maximum photos by category.
    """
    taken: dict[str, int] = {}
    kept = []
    for photo in photos:
        taken[photo.category] = taken.get(photo.category, 0) + 1
        if taken[photo.category] <= limits.get(photo.category, len(photos)):
            kept.append(photo)
    return kept


def shop_mixture(photos: Sequence[LabelledPhoto], violating_share: float) -> list[LabelledPhoto]:
    """Return as many photos as possible with a share of violations, spread evenly over the list.

    Args:
        photos: those of the category `normal` are not violations; `blur` and `sharp` are excluded.
        violating_share: 0..1, exclusive.
    """
    normal = [p for p in photos if p.category == "normal"]
    violating = [p for p in photos if p.category not in {"normal", "blur", "sharp"}]
    most = round(len(normal) * violating_share / (1 - violating_share))
    violating = violating[:most]
    places = [(n / len(part), p) for part in (normal, violating) for n, p in enumerate(part)]
    return [photo for _, photo in sorted(places, key=lambda place: place[0])]
