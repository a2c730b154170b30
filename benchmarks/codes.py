"""`python -m benchmarks.codes`: what the screen `codes` finds, by kind of photo, and what it costs.

Photos of codes are drawn on product photos (`benchmarks.codes_photos`). The settings were chosen on
the half `choose`; `report` has other seeds, backgrounds, sizes and qualities. "One search" is the
screen with `second_pass: never`.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.codes_photos import KINDS, NO_QR_CODE, Half, code_photos
from benchmarks.photos import REAL, real_phone_photos
from benchmarks.screens_figures import share
from benchmarks.screens_photos import load_real_photos, render_photos
from ml.core.errors import ImageRejected
from ml.core.settings import load_settings
from ml.core.types import ScreenResult
from ml.models.training.preset import load_preset
from ml.policy.schema import load_policy
from ml.vision.images.grayscale import Gray, limit_long_side
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import DecodePlan
from ml.vision.screens.barcodes import SecondPass, screen_codes

BACKGROUNDS = 60
MODES = {"one search": SecondPass.NEVER, "with renditions": SecondPass.ON_DETECTION}
console = Console(width=None if Console().is_terminal else 160)
Results = dict[str, list[ScreenResult]]


@dataclass(frozen=True)
class Screened:
    """Results of both modes on the same photos, and processor seconds."""

    results: Results
    seconds: dict[str, float]


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of real photos with manifest.csv; none: rendered.")
    ] = None,
    half: Annotated[str, typer.Option(help="`report`, or `choose`.")] = "report",
    each: Annotated[int, typer.Option(help="Photos of each kind.", min=1)] = 20,
    goods: Annotated[int, typer.Option(help="Maximum photos without a code.", min=1)] = 600,
) -> None:
    """Measure recall by kind, false alarms on goods, and the cost in ratios; print the tables."""
    chosen: Half = "choose" if half == "choose" else "report"
    decode = _decoder()
    table = Table("photos", "n", *(f"{name}: {w}" for name in MODES for w in ("fired", "read")))
    totals: Results = {name: [] for name in MODES}
    backgrounds = _load_backgrounds(data, chosen)
    for kind in track(KINDS, "drawing photos"):
        photos = code_photos(chosen, each, backgrounds, [kind])
        screened = _screen(decode(photo.data) for photo in photos)
        _add_row(table, kind, screened.results)
        if kind != NO_QR_CODE:
            for name, results in screened.results.items():
                totals[name] += results
    _add_row(table, "all with a QR code", totals)
    ratios = _measure_photos(table, data, goods, decode)
    console.print(table)
    console.print("\n".join(ratios))


def _decoder() -> Callable[[bytes], Gray | None]:
    side = load_policy(load_settings().policy_file).screens.long_side
    plan = DecodePlan(decode_limits(load_settings()), side)

    def decode(data: bytes) -> Gray | None:
        try:
            image = plan.decode(data, load_preset("fast").preprocessing).image
        except ImageRejected:
            return None
        return limit_long_side(image, side)

    return decode


def _load_backgrounds(data: Path | None, half: Half) -> list[Image.Image]:
    if data is None:
        contents = [p.read() for p in render_photos(2 * BACKGROUNDS, 0.0)]
    else:
        paths = [p.path for p in load_real_photos(data) if p.category == "normal" and p.path]
        contents = [path.read_bytes() for path in sorted(paths)[:: len(paths) // BACKGROUNDS // 2]]
    return [_open(content) for content in contents[half == "report" :: 2]]


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _screen(pictures: Iterator[Gray | None]) -> Screened:
    screened = Screened({name: [] for name in MODES}, dict.fromkeys(MODES, 0.0))
    for picture in pictures:
        if picture is None:
            continue
        for name, mode in MODES.items():
            start = time.thread_time()
            result = screen_codes(picture, second_pass=mode)
            screened.seconds[name] += time.thread_time() - start
            screened.results[name].append(result)
    return screened


def _add_row(table: Table, name: str, results: Results) -> None:
    cells = []
    for found in results.values():
        cells.append(str(share(found, lambda r: r.fired is True)))
        cells.append(f"{share(found, lambda r: r.reason == 'code').value:.1%}")
    table.add_row(name, str(len(found)), *cells)


def _measure_photos(
    table: Table, data: Path | None, goods: int, decode: Callable[[bytes], Gray | None]
) -> list[str]:
    """Add rows of photos as they are; lines that say what they cost."""
    if data is None:
        contents: dict[str, Sequence[Callable[[], bytes]]] = {
            "rendered goods": [p.read for p in render_photos(goods, 0.0)]
        }
    else:
        real = load_real_photos(data)
        normal = [p.read for p in real if p.category == "normal"][:goods]
        contents = {
            "real codes": [p.read for p in real if p.category == "qr"],
            "real goods": normal,
        }
        enlarged = real_phone_photos(data, min(goods, 200))
        contents[f"a shop's: {REAL}"] = [partial(bytes, photo) for photo in enlarged]
    lines = []
    for name, readers in contents.items():
        screened = _screen(decode(read()) for read in readers)
        _add_row(table, name.split(":")[0], screened.results)
        first, both = screened.seconds.values()
        lines.append(f"{name}: processor time with renditions {both / first:.2f} of one search")
    return lines


if __name__ == "__main__":
    typer.run(main)
