"""`python -m benchmarks.prepare_cost --data FOLDER`: processor milliseconds of `prepare` by stage.

Decode, fingerprint, resize and screens of real photos on one thread, with and without screens in
turns, photo by photo. OCR and the search for duplicates are left out: the budget and the number of
decisions decide what they cost.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.calibration import images_per_second
from benchmarks.photos import REAL, real_phone_photos
from benchmarks.screens_photos import load_real_photos, shop_mixture
from ml.core.concurrency import StageTimer
from ml.core.settings import load_settings
from ml.models.training.preset import load_preset
from ml.moderation.pipeline.decode_worker import OUTPUT_BYTES, PhotoWork, WorkerConfig
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import decode_limits

STAGES = ("decode", "screen_sharpness", "screen_codes", "screen_text")
VIOLATING_SHARE = 0.2
console = Console(width=None if Console().is_terminal else 120)


class ThreadTimer(StageTimer):
    """Sums the processor seconds of the calling thread instead of the wall clock's."""

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the processor seconds of the block to a stage."""
        start = time.thread_time()
        try:
            yield
        finally:
            self.add(stage, time.thread_time() - start)


def main(
    data: Annotated[Path, typer.Option(help="Folder of real photos with manifest.csv.")],
    photos: Annotated[int, typer.Option(help="Photos of each size.", min=1)] = 150,
) -> None:
    """Measure photos as they are and at the size of phone photos, and print the table."""
    speed, load = images_per_second(), os.getloadavg()[0]
    as_they_are = [p.read() for p in shop_mixture(load_real_photos(data), VIOLATING_SHARE)[:photos]]
    sizes = {"as they are": as_they_are, "2 to 3 megapixels": real_phone_photos(data, photos)}
    table = Table("photos", "screens", "all", *STAGES, title=f"ms a photo; {REAL}")
    for name, contents in sizes.items():
        costs = _measure(contents)
        for screens, (total, stages) in costs.items():
            cells = (stages.get(stage, 0.0) for stage in STAGES)
            shown = (f"{1e3 * value / len(contents):.2f}" for value in (total, *cells))
            table.add_row(name, "with" if screens else "without", *shown)
    console.print(table)
    console.print(
        f"{os.cpu_count()} cores; load before {load:.1f}; ResNet18 at 224 px before and after: "
        f"{speed:.1f}, {images_per_second():.1f} images/s"
    )


def _measure(contents: list[bytes]) -> dict[bool, tuple[float, dict[str, float]]]:
    """Processor seconds, in all and by stage, without and with screens."""
    works = {screens: PhotoWork(_config(screens), ThreadTimer()) for screens in (False, True)}
    output, seconds = memoryview(bytearray(OUTPUT_BYTES)), dict.fromkeys(works, 0.0)
    stages: dict[bool, dict[str, float]] = {screens: {} for screens in works}
    for photo in [*contents[1:11], *contents]:  # ten load libraries
        if photo is contents[0]:
            seconds = dict.fromkeys(works, 0.0)
            stages = {screens: {} for screens in works}
        for screens, work in works.items():
            start = time.thread_time()
            result = work({"shadow": False}, photo, output)
            seconds[screens] += time.thread_time() - start
            for stage, spent in result["seconds"].items():
                stages[screens][stage] = stages[screens].get(stage, 0.0) + spent
    return {screens: (seconds[screens], stages[screens]) for screens in works}


def _config(screens: bool) -> WorkerConfig:
    settings = load_settings()
    rules = load_policy(settings.policy_file).screens if screens else None
    return WorkerConfig(
        limits=decode_limits(settings),
        preprocessing=load_preset("fast").preprocessing,
        picture_side=rules.picture_side if rules else None,
        screens=rules,
    )


if __name__ == "__main__":
    typer.run(main)
