"""`python -m benchmarks.text_reading`: what the text gate finds, and what reading costs and finds.

The real photos are those that the gate's network was not trained on, and with which no setting of
reading was chosen: half of each category, by a hash of the name. Every photo is read, whatever the
gate says. Milliseconds are processor time of one thread; compare only those of one run.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.screens_figures import roc_auc, share
from benchmarks.screens_photos import LabelledPhoto, load_real_photos
from devtools.text_gate.samples import is_trained_on
from ml.core.types import ScreenResult
from ml.policy.screens import Screens
from ml.vision.screens.text.gate import text_likelihood
from ml.vision.screens.text.lines import Quad, TextLine
from ml.vision.screens.text.ocr import BANNER_SIDE, TextReader
from ml.vision.screens.text.screen import read_text

ADMITTED = (0.01, 0.02, 0.05, 0.1, 0.3, 0.6)  # shares of product photos
CATEGORIES = ("normal", "ad", "text")
PHONE_PHOTOS = 40
SIDE = Screens().long_side  # pixels
console = Console(width=None if Console().is_terminal else 160)


@dataclass
class Clock:
    """Processor seconds by part, and how often each ran."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        """Add the time of the block."""
        start = time.thread_time()
        yield
        self.seconds.setdefault(part, []).append(time.thread_time() - start)

    def milliseconds(self, part: str, photos: int) -> str:
        """Return the mean by photo."""
        return f"{sum(self.seconds.get(part, [])) / max(photos, 1) * 1e3:.0f}"


class TimedReader(TextReader):
    """A reader that measures its parts."""

    clock = Clock()

    def find(self, image: Image.Image, long_side: int = BANNER_SIDE) -> list[Quad]:
        """As `TextReader.find`."""
        with self.clock.time("detector"):
            return super().find(image, long_side)

    def read(self, image: Image.Image, box: Quad) -> TextLine | None:
        """As `TextReader.read`."""
        with self.clock.time("lines"):
            return super().read(image, box)


def main(
    data: Annotated[Path, typer.Option(help="Folder of real photos with manifest.csv.")],
    read: Annotated[int, typer.Option(help="Maximum photos of a category to read.", min=1)] = 100,
) -> None:
    """Measure the gate and the reading on real photos, and print the tables."""
    cv2.setNumThreads(1)
    photos = {kind: _photos_of(data, kind) for kind in CATEGORIES}
    console.print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    _measure_gate(photos)
    reader = TimedReader()
    reader.load()
    _measure_reading({kind: some[:read] for kind, some in photos.items()}, reader)


def _photos_of(data: Path, kind: str) -> list[LabelledPhoto]:
    photos = [photo for photo in load_real_photos(data) if photo.category == kind]
    return [photo for photo in photos if photo.path and not is_trained_on(photo.path)]


def _open(photo: LabelledPhoto) -> Image.Image:
    with Image.open(photo.path or "") as image:
        picture = image.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    return picture


def _measure_gate(photos: dict[str, list[LabelledPhoto]]) -> None:
    clock, found = Clock(), dict[str, list[float]]()
    for kind, some in photos.items():
        for photo in some:
            picture = _open(photo)
            with clock.time("gate"):
                likelihood = text_likelihood(picture)
            found.setdefault(kind, []).append(likelihood)
    count = sum(len(some) for some in photos.values())
    table = Table("product photos admitted", *CATEGORIES[1:], title="text gate")
    for part in ADMITTED:
        limit = float(np.quantile(found["normal"], 1 - part))
        admitted = {kind: [value > limit for value in found[kind]] for kind in CATEGORIES[1:]}
        cells = (str(share(some, bool)) for some in admitted.values())
        table.add_row(f"{part:.0%}, from {limit:.2f} on", *cells)
    areas = (roc_auc(found[kind], found["normal"]) or 0.0 for kind in CATEGORIES[1:])
    table.add_row("area under the ROC curve", *(f"{area:.3f}" for area in areas))
    console.print(table)
    console.print(f"gate: {clock.milliseconds('gate', count)} ms a photo, {count} photos")


def _measure_reading(photos: dict[str, list[LabelledPhoto]], reader: TimedReader) -> None:
    title = "all texts read"
    table = Table(
        "", "contact", "contact or overlay", "page", "fired", "detector", "lines", title=title
    )
    for kind, some in photos.items():
        _add_row(table, kind, [_open(photo) for photo in some], reader)
    enlarged = [_enlarge(_open(photo)) for photo in photos["normal"][:PHONE_PHOTOS]]
    _add_row(table, f"normal, enlarged to {SIDE} px", enlarged, reader)
    console.print(table)


def _enlarge(picture: Image.Image) -> Image.Image:
    """Return the picture at the size of a phone's photo as the screens see it."""
    factor = SIDE / max(picture.size)
    return picture.resize((round(picture.width * factor), round(picture.height * factor)))


def _add_row(table: Table, name: str, pictures: Sequence[Image.Image], reader: TimedReader) -> None:
    reader.clock = Clock()
    results = [read_text(picture, reader, 1.0) for picture in pictures]
    table.add_row(
        name,
        *(str(share(results, found)) for found in (_has_contact, _has_overlay, _is_page, _fired)),
        *(f"{reader.clock.milliseconds(part, len(pictures))} ms" for part in ("detector", "lines")),
    )


def _has_contact(result: ScreenResult) -> bool:
    return bool(result.evidence["contacts"])


def _has_overlay(result: ScreenResult) -> bool:
    return _has_contact(result) or bool(result.evidence["overlays"])


def _is_page(result: ScreenResult) -> bool:
    return result.reason == "text_dominated" or result.evidence["dense"] is True


def _fired(result: ScreenResult) -> bool:
    return bool(result.fired)


if __name__ == "__main__":
    typer.run(main)
