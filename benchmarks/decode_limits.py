"""`python -m benchmarks.decode_limits`: the most expensive photos that the limits accept.

One photo of each format, of as many pixels and as nearly as many bytes as the settings allow. Each
is decoded, fingerprinted, screened and prepared in a fresh process: processor seconds, and memory
at the peak above that of the process before. Deadline and memory of a worker follow from them.
"""

import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.decode_limits_photos import PHOTOS, write_photo
from ml.core.errors import ImageRejected
from ml.core.settings import load_settings
from ml.policy.schema import load_policy
from ml.vision.images.fingerprint import perceptual_hash
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import ARTICLE, DecodePlan, prepare
from ml.vision.screens.runner import ScreenRunner
from ml.vision.screens.text.screen import is_unread, likelihood_of

P = ParamSpec("P")
T = TypeVar("T")
console = Console(width=None if Console().is_terminal else 120)


@dataclass(frozen=True)
class Cost:
    """Cost of one photo: processor seconds, and MiB above those of the idle process."""

    decode_seconds: float
    screen_seconds: float
    peak_mib: float
    idle_mib: float
    outcome: str


def main(
    only: Annotated[str, typer.Option(help="Only photos whose name has this text.")] = "",
    megapixels: Annotated[int, typer.Option(help="Pixels of a photo, in millions.")] = 100,
) -> None:
    """Measure each photo and print the table."""
    from benchmarks.calibration import (  # noqa: PLC0415 - loads torch, which the measured processes must not
        images_per_second,
    )

    names = [name for name in PHOTOS if only in name]
    before, load = images_per_second(), os.getloadavg()[0]
    title = f"processor seconds and MiB a photo, {megapixels} million pixels and at most 20 MiB"
    table = Table("photo", "MiB of file", "decode", "screens", "peak MiB", "outcome", title=title)
    idle = 0.0
    with tempfile.TemporaryDirectory(prefix="moderation-limits-") as folder:
        for name in names:
            path = Path(folder) / "photo"
            _in_fresh_process(write_photo, name, megapixels, path)
            cost = _in_fresh_process(measure, path)
            idle = max(idle, cost.idle_mib)
            figures = (cost.decode_seconds, cost.screen_seconds, cost.peak_mib)
            size = f"{path.stat().st_size / 2**20:.1f}"
            cells = (
                f"{value:.{digits}f}" for value, digits in zip(figures, (2, 2, 0), strict=True)
            )
            table.add_row(name, size, *cells, cost.outcome)
            console.print(f"{name}: {size} MiB, {cost}", style="dim")
            path.unlink()
    console.print(table)
    console.print(
        f"idle process {idle:.0f} MiB; {os.cpu_count()} cores, load before {load:.1f}; ResNet18 at "
        f"224 px before and after: {before:.1f}, {images_per_second():.1f} images/s"
    )


def measure(path: Path) -> Cost:
    """Measure the photo in a file, after a small one that loads the libraries."""
    settings = load_settings()
    screens = load_policy(settings.policy_file).screens
    runner = ScreenRunner(screens)
    plan = DecodePlan(decode_limits(settings), screens.picture_side)
    seconds: list[float] = []

    def process(data: bytes) -> str:
        seconds[:] = [time.process_time()]
        try:
            photo = plan.decode(data, ARTICLE)
        except ImageRejected as error:
            seconds.append(time.process_time())
            return f"{error.reason.value}: {error.detail[:40]}"
        image = plan.for_model(photo.image, ARTICLE)
        perceptual_hash(image)
        prepare(image, ARTICLE)
        seconds.append(time.process_time())
        text = runner.run(photo.image)["text"]
        if read := is_unread(text):
            runner.read(photo.image, likelihood_of(text))
        return f"decoded to {photo.image.width} x {photo.image.height}{', text read' * read}"

    buffer = io.BytesIO()
    Image.new("RGB", (640, 480)).save(buffer, "JPEG")
    process(buffer.getvalue())
    data = path.read_bytes()
    idle = _mib("VmRSS") - len(data) / 2**20
    outcome = process(data)
    seconds.append(time.process_time())
    decode_seconds, screen_seconds = (b - a for a, b in pairwise([*seconds, seconds[-1]][:3]))
    return Cost(decode_seconds, screen_seconds, _mib("VmHWM") - idle, idle, outcome)


def _mib(field: str) -> float:
    """A figure of this process in Linux's /proc, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if field in line) / 1024


def _in_fresh_process(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *arguments, **options).result()


if __name__ == "__main__":
    typer.run(main)
