"""`python -m benchmarks.screens_limits`: limits of the screens: code size, blur, index size.

Synthetic codes and blur, one call after the other; `benchmarks.screens` measures photos as the
nightly run decodes them. Milliseconds are CPU time of the calling thread, which depends less on
other load than wall time. The defaults of the text screen were chosen on a part of the real photos,
so its rows on real photos are optimistic.
"""

import csv
import io
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import segno
import torch
import typer
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.screens_pipeline import untrained_predictor
from devtools.sample_photos.render import render_photo
from ml.core.types import DecidedPhoto, ScreenResult
from ml.models.training.preset import load_preset
from ml.policy.screens import TextScreen
from ml.vision.screens.barcodes import SecondPass, read_codes
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.near_duplicates import screen_duplicates
from ml.vision.screens.sharpness import THRESHOLD, choose_threshold, screen_sharpness, sharpness
from ml.vision.screens.text.gate import text_likelihood
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.screen import screen_text

SEED = 20260301
RENDERED = ("normal", "text", "ad", "qr")
BLURS = (0.005, 0.01, 0.02)  # of the short side
MODULE_SIZES = (1.0, 1.2, 1.35, 1.5, 1.8, 2.2)  # pixels of one module of a QR code
ROTATIONS = (0, 7, 30)  # degrees
INDEX_SIZE = 1_000_000
LOOKUPS = 100
PRESETS = ("fast", "article")  # presets whose forward pass is measured
BATCH, FORWARD_PASSES = 32, 5
MAX_LONG_SIDE = 1280  # pixels; photos are reduced to it, as the nightly run does

console = Console()
T = TypeVar("T")
Photos = dict[str, list[Image.Image]]


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    screen: str
    figure: str
    value: str


def main(
    rendered: Annotated[int, typer.Option(help="Rendered photos, of 4 kinds.", min=4)] = 80,
    real: Annotated[int, typer.Option(help="Real photos of each kind.", min=1)] = 60,
    data: Annotated[
        Path | None, typer.Option(help="Folder of real photos with manifest.csv; none: left out.")
    ] = None,
) -> None:
    """Measure every screen and print one table."""
    photos = {f"rendered {kind}": some for kind, some in _render_photos(rendered).items()}
    if data is not None:
        photos |= {f"real {kind}": some for kind, some in _load_real_photos(data, real).items()}
    rows = [
        *_measure_sharpness(photos),
        *_measure_codes(photos),
        *_measure_text(photos),
        *_measure_duplicates(),
        *_measure_forward(),
    ]
    title = f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; CPU time of one thread"
    table = Table("screen", "figure", "value", title=title)
    for row in rows:
        table.add_row(row.screen, row.figure, row.value)
    console.print(table)


def _render_photos(count: int) -> Photos:
    jobs = [(n, RENDERED[n % len(RENDERED)]) for n in range(count)]
    photos: Photos = {kind: [] for kind in RENDERED}
    for number, kind in track(jobs, "rendering"):
        photos[kind].append(_open_photo(io.BytesIO(render_photo(SEED, number, kind).data)))
    return photos


def _load_real_photos(folder: Path, count: int) -> Photos:
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    photos: Photos = {}
    for kind in (*RENDERED, "sharp", "blur"):
        paths = [row["path"] for row in rows if row["category"] == kind]
        step = max(len(paths) // count, 1)
        photos[kind] = [_open_photo(folder / path) for path in paths[::step][:count]]
    return photos


def _open_photo(source: Path | io.BytesIO) -> Image.Image:
    with Image.open(source) as photo:
        picture = photo.convert("RGBA").convert("RGB")
    picture.thumbnail((MAX_LONG_SIDE, MAX_LONG_SIDE))
    return picture


def _time_calls(
    check: Callable[[Image.Image], T], photos: Sequence[Image.Image]
) -> tuple[list[T], float]:
    """Return the results and the mean milliseconds per photo."""
    start = time.thread_time()
    results = [check(photo) for photo in photos]
    return results, (time.thread_time() - start) / max(len(photos), 1) * 1e3


def _format_share(flags: Sequence[bool]) -> str:
    return f"{100 * float(np.mean(flags)):.1f} % of {len(flags)}" if flags else "no photos"


def _without_quality_set(photos: Photos) -> list[Image.Image]:
    kinds = [kind for kind in photos if not kind.endswith((" sharp", " blur"))]
    return [photo for kind in kinds for photo in photos[kind]]


def _measure_sharpness(photos: Photos) -> list[Row]:
    _, ms = _time_calls(screen_sharpness, _without_quality_set(photos))
    rows = [Row("sharpness", "a photo", f"{ms:.1f} ms")]
    goods = [photo for kind in photos if kind.endswith(" normal") for photo in photos[kind]]
    sharp = [sharpness(photo) for photo in goods]
    for blur in BLURS:
        soft = [ImageFilter.GaussianBlur(blur * min(photo.size)) for photo in goods]
        blurred = [sharpness(p.filter(f)) for p, f in zip(goods, soft, strict=True)]
        name = f"goods, blurred by {100 * blur} % of the side"
        rows.append(Row("sharpness", name, _cross_validate(sharp, blurred)))
    for kind, word in (("sharp", "wrongly fired"), ("blur", "fired")):
        fired = [bool(screen_sharpness(photo).fired) for photo in photos.get(f"real {kind}", [])]
        rows.append(
            Row("sharpness", f"real {kind} set, {word} at {THRESHOLD:.0f}", _format_share(fired))
        )
    return rows


def _cross_validate(sharp: list[float], blurred: list[float]) -> str:
    """Choose the threshold on every other photo and measure it on the rest."""
    threshold = choose_threshold(sharp[::2], blurred[::2])
    if threshold is None:
        return "no photos"
    fired = [value < threshold for value in sharp[1::2]]
    missed = [value >= threshold for value in blurred[1::2]]
    shares = f"fired {_format_share(fired)}, missed {_format_share(missed)}"
    return f"threshold {threshold:.0f}; other half: {shares}"


def _measure_codes(photos: Photos) -> list[Row]:
    rows = []
    for mode in SecondPass:
        _, ms = _time_calls(partial(read_codes, second_pass=mode), _without_quality_set(photos))
        rows.append(Row("codes", f"a photo, second pass {mode.value}", f"{ms:.1f} ms"))
    for kind, some in photos.items():
        if kind.endswith((" qr", " normal")):
            read = [any(c.two_dimensional and c.readable for c in read_codes(p)) for p in some]
            seen = [any(c.two_dimensional for c in read_codes(p)) for p in some]
            value = f"read {_format_share(read)}, fired {_format_share(seen)}"
            rows.append(Row("codes", kind, value))
    ground = photos["rendered normal"]
    for module in MODULE_SIZES:
        cells = (_small_codes_read(ground, module, mode) for mode in SecondPass)
        rows.append(Row("codes", f"QR of {module} px a module, {_mode_names()}", " / ".join(cells)))
    return rows


def _mode_names() -> str:
    return " / ".join(mode.value for mode in SecondPass)


def _small_codes_read(ground: Sequence[Image.Image], module: float, mode: SecondPass) -> str:
    read = [
        any(code.readable for code in read_codes(_add_code(photo, n, module, turn), mode))
        for n, photo in enumerate(ground)
        for turn in ROTATIONS
    ]
    return f"{100 * float(np.mean(read)):.0f} %"


def _add_code(ground: Image.Image, number: int, module: float, turn: float) -> Image.Image:
    """Return the photo with a QR code of 29 modules, blurred and compressed as by a phone."""
    drawn = io.BytesIO()
    link = f"https://abc{number}.example/{number * 7919}"
    segno.make(link, error="m", micro=False).save(drawn, kind="png", scale=8, border=4)
    code = Image.open(drawn).convert("RGBA")
    code = code.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    side = round(code.width / 8 * module)
    code = code.resize((side, side), Image.Resampling.LANCZOS)
    photo = ground.copy()
    photo.paste(code, (40 + number, 60), code)
    stored = io.BytesIO()
    photo.filter(ImageFilter.GaussianBlur(0.5)).save(stored, "JPEG", quality=80)
    return Image.open(stored)


def _measure_text(photos: Photos) -> list[Row]:
    rules, reader = TextScreen(), TextReader()
    everyday = {kind: some for kind, some in photos.items() if not kind.endswith(("sharp", "blur"))}
    _, ms = _time_calls(text_likelihood, _without_quality_set(photos))
    rows = [Row("text gate", "a photo", f"{ms:.1f} ms")]
    for kind, some in everyday.items():
        opened = [text_likelihood(photo) >= rules.min_text_likelihood for photo in some]
        rows.append(Row("text gate", f"{kind}, let through", _format_share(opened)))
    for kind, some in track(everyday.items(), "reading text"):
        _, ms_find = _time_calls(reader.find, some)
        outcomes, ms_all = _time_calls(lambda photo: screen_text(photo, reader, rules), some)
        rows.append(
            Row("text", f"{kind}, detector / whole screen", f"{ms_find:.0f} / {ms_all:.0f} ms")
        )
        rows.append(Row("text", f"{kind}, fired", _format_reasons(outcomes)))
    return rows


def _format_reasons(outcomes: Sequence[ScreenResult]) -> str:
    contacts = [(o.reason or "").startswith("contact:") for o in outcomes]
    pages = [o.reason == "text_dominated" for o in outcomes]
    return f"contact {_format_share(contacts)}, page {_format_share(pages)}"


def _measure_duplicates() -> list[Row]:
    rng = np.random.default_rng(SEED)
    hashes = [rng.bytes(32).hex() for _ in range(INDEX_SIZE)]
    decided = [
        DecidedPhoto(f"{n:064x}", pdq, 90, blocked=n % 2 == 0) for n, pdq in enumerate(hashes)
    ]
    start = time.thread_time()
    index = DuplicateIndex(decided)
    built = time.thread_time() - start
    queries = [_flip_bits(hashes[n], n % 32, rng) for n in range(LOOKUPS)]
    start = time.thread_time()
    outcomes = [screen_duplicates(pdq, 90, index) for pdq in queries]
    ms = (time.thread_time() - start) / LOOKUPS * 1e3
    found = [bool(o.evidence) for o in outcomes]
    return [
        Row("duplicates", f"a look-up among {INDEX_SIZE:,}", f"{ms:.1f} ms"),
        Row("duplicates", "building that index", f"{built:.1f} s"),
        Row("duplicates", "found, 0 to 31 bits away", _format_share(found)),
    ]


def _measure_forward() -> list[Row]:
    """Measure the forward pass on one thread, for comparison with the duplicate look-up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [Row("model", f"forward pass of `{name}`", _forward_ms(name)) for name in PRESETS]
    finally:
        torch.set_num_threads(threads)


def _forward_ms(preset: str) -> str:
    spec = load_preset(preset).preprocessing
    predictor = untrained_predictor(spec, torch.device("cpu"))
    rng = np.random.default_rng(SEED)
    shape = (3, spec.crop, spec.crop)
    batch = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(BATCH)]
    predictor.scores(batch)  # warm-up
    start = time.thread_time()
    for _ in range(FORWARD_PASSES):
        predictor.scores(batch)
    ms = (time.thread_time() - start) / (FORWARD_PASSES * BATCH) * 1e3
    return f"{ms:.1f} ms at {spec.crop} pixels"


def _flip_bits(pdq: str, bits: int, rng: np.random.Generator) -> str:
    flat = np.unpackbits(np.frombuffer(bytes.fromhex(pdq), dtype=np.uint8))
    flat[rng.choice(256, bits, replace=False)] ^= 1
    return np.packbits(flat).tobytes().hex()


if __name__ == "__main__":
    typer.run(main)
