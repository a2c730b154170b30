"""`python -m benchmarks.screens_limits`: how small a code, how weak a blur, how large a bank.

Drawn and blurred on purpose, one call after the other; `benchmarks.screens` has what the screens do
to photos as the night decodes them. Milliseconds are processor time of the one thread that calls,
which other work on the machine moves less than wall time. The defaults of the text screen were set
on a part of the real photos, so its rows on real photos flatter it.
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

from benchmarks.screens_night import untrained
from ml.screens.budget import Budget
from ml.screens.codes import SecondPass, read_codes
from ml.screens.duplicates import Decided, DecidedPhotos, screen_duplicates
from ml.screens.ocr import TextReader
from ml.screens.outcome import ScreenOutcome
from ml.screens.ranking import Ranking
from ml.screens.sharpness import CUT_OFF, choose_cut_off, screen_sharpness, sharpness
from ml.screens.text import TextRules, screen_text
from ml.screens.text_gate import text_likelihood
from ml.training.preset import load_preset
from stack.catalogue.render import render_photo

SEED = 20260301
RENDERED = ("normal", "text", "ad", "qr")
BLURS = (0.005, 0.01, 0.02)  # of the short side
MODULES = (1.0, 1.2, 1.35, 1.5, 1.8, 2.2)  # pixels of one module of a QR code
TURNS = (0, 7, 30)  # degrees
BANK = 1_000_000
LOOK_UPS = 100
PRESETS = ("fast", "article")  # whose forward pass is measured
BATCH, FORWARDS = 32, 5
LARGEST = 1280  # pixels of the long side: what the judge would hand to the screens

console = Console()
T = TypeVar("T")
Photos = dict[str, list[Image.Image]]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    screen: str
    figure: str
    value: str


def main(
    rendered: Annotated[int, typer.Option(help="Rendered photos, dealt over 4 kinds.", min=4)] = 80,
    real: Annotated[int, typer.Option(help="Real photos of each kind.", min=1)] = 60,
    data: Annotated[
        Path | None, typer.Option(help="Folder of real photos with manifest.csv; none: left out.")
    ] = None,
) -> None:
    """Measure every screen and print one table."""
    photos = {f"rendered {kind}": some for kind, some in _rendered(rendered).items()}
    if data is not None:
        photos |= {f"real {kind}": some for kind, some in _real(data, real).items()}
    rows = [
        *_sharpness(photos),
        *_codes(photos),
        *_text(photos),
        *_duplicates(),
        *_forward(),
    ]
    title = f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; processor time of one thread"
    table = Table("screen", "figure", "value", title=title)
    for row in rows:
        table.add_row(row.screen, row.figure, row.value)
    console.print(table)


def _rendered(count: int) -> Photos:
    jobs = [(n, RENDERED[n % len(RENDERED)]) for n in range(count)]
    photos: Photos = {kind: [] for kind in RENDERED}
    for number, kind in track(jobs, "rendering"):
        photos[kind].append(_opened(io.BytesIO(render_photo(SEED, number, kind).data)))
    return photos


def _real(folder: Path, count: int) -> Photos:
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    photos: Photos = {}
    for kind in (*RENDERED, "sharp", "blur"):
        paths = [row["path"] for row in rows if row["category"] == kind]
        step = max(len(paths) // count, 1)
        photos[kind] = [_opened(folder / path) for path in paths[::step][:count]]
    return photos


def _opened(source: Path | io.BytesIO) -> Image.Image:
    with Image.open(source) as photo:
        picture = photo.convert("RGBA").convert("RGB")
    picture.thumbnail((LARGEST, LARGEST))
    return picture


def _timed(
    check: Callable[[Image.Image], T], photos: Sequence[Image.Image]
) -> tuple[list[T], float]:
    """The results, and the mean milliseconds a photo."""
    start = time.thread_time()
    results = [check(photo) for photo in photos]
    return results, (time.thread_time() - start) / max(len(photos), 1) * 1e3


def _share(flags: Sequence[bool]) -> str:
    return f"{100 * float(np.mean(flags)):.1f} % of {len(flags)}" if flags else "no photos"


def _everyday(photos: Photos) -> list[Image.Image]:
    kinds = [kind for kind in photos if not kind.endswith((" sharp", " blur"))]
    return [photo for kind in kinds for photo in photos[kind]]


def _sharpness(photos: Photos) -> list[Row]:
    _, ms = _timed(screen_sharpness, _everyday(photos))
    rows = [Row("sharpness", "a photo", f"{ms:.1f} ms")]
    goods = [photo for kind in photos if kind.endswith(" normal") for photo in photos[kind]]
    sharp = [sharpness(photo) for photo in goods]
    for blur in BLURS:
        soft = [ImageFilter.GaussianBlur(blur * min(photo.size)) for photo in goods]
        blurred = [sharpness(p.filter(f)) for p, f in zip(goods, soft, strict=True)]
        name = f"goods, blurred by {100 * blur} % of the side"
        rows.append(Row("sharpness", name, _held_out(sharp, blurred)))
    for kind, word in (("sharp", "wrongly fired"), ("blur", "fired")):
        fired = [bool(screen_sharpness(photo).fired) for photo in photos.get(f"real {kind}", [])]
        rows.append(Row("sharpness", f"real {kind} set, {word} at {CUT_OFF:.0f}", _share(fired)))
    return rows


def _held_out(sharp: list[float], blurred: list[float]) -> str:
    """The cut-off of every other photo, and what it does to the others."""
    choice = choose_cut_off(sharp[::2], blurred[::2])
    if choice is None:
        return "no photos"
    fired = [value < choice.cut_off for value in sharp[1::2]]
    missed = [value >= choice.cut_off for value in blurred[1::2]]
    return f"cut-off {choice.cut_off:.0f}; others: fired {_share(fired)}, missed {_share(missed)}"


def _codes(photos: Photos) -> list[Row]:
    rows = []
    for mode in SecondPass:
        _, ms = _timed(partial(read_codes, second_pass=mode), _everyday(photos))
        rows.append(Row("codes", f"a photo, second pass {mode.value}", f"{ms:.1f} ms"))
    for kind, some in photos.items():
        if kind.endswith((" qr", " normal")):
            read = [any(c.two_dimensional and c.readable for c in read_codes(p)) for p in some]
            seen = [any(c.two_dimensional for c in read_codes(p)) for p in some]
            value = f"read {_share(read)}, fired {_share(seen)}"
            rows.append(Row("codes", kind, value))
    ground = photos["rendered normal"]
    for module in MODULES:
        cells = (_small_codes_read(ground, module, mode) for mode in SecondPass)
        rows.append(Row("codes", f"QR of {module} px a module, {_modes()}", " / ".join(cells)))
    return rows


def _modes() -> str:
    return " / ".join(mode.value for mode in SecondPass)


def _small_codes_read(ground: Sequence[Image.Image], module: float, mode: SecondPass) -> str:
    read = [
        any(code.readable for code in read_codes(_with_code(photo, n, module, turn), mode))
        for n, photo in enumerate(ground)
        for turn in TURNS
    ]
    return f"{100 * float(np.mean(read)):.0f} %"


def _with_code(ground: Image.Image, number: int, module: float, turn: float) -> Image.Image:
    """The photo with a code of 29 modules on it, softened and compressed as a phone does."""
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


def _text(photos: Photos) -> list[Row]:
    rules, reader, ranking = TextRules(), TextReader(), Ranking(Budget(float("inf")))
    everyday = {kind: some for kind, some in photos.items() if not kind.endswith(("sharp", "blur"))}
    _, ms = _timed(text_likelihood, _everyday(photos))
    rows = [Row("text gate", "a photo", f"{ms:.1f} ms")]
    for kind, some in everyday.items():
        opened = [text_likelihood(photo) >= rules.gate for photo in some]
        rows.append(Row("text gate", f"{kind}, let through", _share(opened)))
    for kind, some in track(everyday.items(), "reading text"):
        _, ms_find = _timed(reader.find, some)
        outcomes, ms_all = _timed(lambda photo: screen_text(photo, reader, ranking, rules), some)
        rows.append(
            Row("text", f"{kind}, detector / whole screen", f"{ms_find:.0f} / {ms_all:.0f} ms")
        )
        rows.append(Row("text", f"{kind}, fired", _reasons(outcomes)))
    return rows


def _reasons(outcomes: Sequence[ScreenOutcome]) -> str:
    contacts = [(o.reason or "").startswith("contact:") for o in outcomes]
    pages = [o.reason == "text_dominated" for o in outcomes]
    return f"contact {_share(contacts)}, page {_share(pages)}"


def _duplicates() -> list[Row]:
    rng = np.random.default_rng(SEED)
    hashes = [rng.bytes(32).hex() for _ in range(BANK)]
    decided = [Decided(f"{n:064x}", pdq, 90, blocked=n % 2 == 0) for n, pdq in enumerate(hashes)]
    start = time.thread_time()
    bank = DecidedPhotos(decided)
    built = time.thread_time() - start
    asked = [_flipped(hashes[n], n % 32, rng) for n in range(LOOK_UPS)]
    start = time.thread_time()
    outcomes = [screen_duplicates(pdq, 90, bank) for pdq in asked]
    ms = (time.thread_time() - start) / LOOK_UPS * 1e3
    found = [bool(o.evidence) for o in outcomes]
    return [
        Row("duplicates", f"a look-up among {BANK:,}", f"{ms:.1f} ms"),
        Row("duplicates", "building that bank", f"{built:.1f} s"),
        Row("duplicates", "found, 0 to 31 bits away", _share(found)),
    ]


def _forward() -> list[Row]:
    """The model's forward pass on one thread, which is what a look-up has to be cheaper than."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [Row("model", f"forward pass of `{name}`", _forward_ms(name)) for name in PRESETS]
    finally:
        torch.set_num_threads(threads)


def _forward_ms(preset: str) -> str:
    spec = load_preset(preset).preprocessing
    predictor = untrained(spec, torch.device("cpu"))
    rng = np.random.default_rng(SEED)
    shape = (3, spec.crop, spec.crop)
    batch = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(BATCH)]
    predictor.scores(batch)  # the first builds the kernels
    start = time.thread_time()
    for _ in range(FORWARDS):
        predictor.scores(batch)
    ms = (time.thread_time() - start) / (FORWARDS * BATCH) * 1e3
    return f"{ms:.1f} ms at {spec.crop} pixels"


def _flipped(pdq: str, bits: int, rng: np.random.Generator) -> str:
    flat = np.unpackbits(np.frombuffer(bytes.fromhex(pdq), dtype=np.uint8))
    flat[rng.choice(256, bits, replace=False)] ^= 1
    return np.packbits(flat).tobytes().hex()


if __name__ == "__main__":
    typer.run(main)
