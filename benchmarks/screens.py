"""`python -m benchmarks.screens`: detection rates and cost of the screens.

All photos go through the nightly pipeline, so decode size, shared picture, order of the screens and
time budget of OCR are those of a nightly run. Text is measured twice: with an unlimited budget
(what OCR finds) and with the policy's budget (what a nightly run finds). The defaults of some
screens were chosen on parts of the real photos; benchmarks/results/screens.md says which.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.screens_figures import roc_auc, share
from benchmarks.screens_photos import (
    LabelledPhoto,
    limit_per_category,
    load_real_photos,
    render_photos,
    shop_mixture,
)
from benchmarks.screens_pipeline import (
    PipelineRun,
    ScreenedPhoto,
    run_pipeline,
    untrained_predictor,
)
from ml.core.errors import ImageRejected
from ml.core.settings import load_settings
from ml.core.types import DecidedPhoto
from ml.models.predictor import Predictor
from ml.models.training.preset import load_preset
from ml.policy.schema import load_policy
from ml.policy.screens import Screens, TextScreen
from ml.vision.images.fingerprint import perceptual_hash
from ml.vision.images.grayscale import limit_long_side
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import DecodePlan
from ml.vision.screens.barcodes import SecondPass, screen_codes
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.near_duplicates import screen_duplicates
from ml.vision.screens.sharpness import screen_sharpness
from ml.vision.screens.text.gate import text_likelihood
from ml.vision.screens.text.ocr import TextReader
from ml.vision.screens.text.screen import screen_text

CATEGORIES = ("normal", "qr", "ad", "text", "weapon", "fire", "sharp", "blur")
MAX_READ_BY_CATEGORY = {"weapon": 20, "fire": 20, "sharp": 0, "blur": 0}  # few of them have text
VIOLATING_SHARE = 0.2  # of the mixture: the article's 4 : 1
MAX_MIXTURE_PHOTOS = 1000
SINGLE_CALL_PHOTOS = 60  # for the times of single calls
INDEX_SIZE = 100_000
OVERLAY_REASONS = ("contact:", "promotion", "watermark")  # reasons of the text screen
FINDINGS: dict[str, Callable[[ScreenedPhoto], bool]] = {
    "sharpness: blurred": lambda j: j.fired("sharpness"),
    "codes: code or unreadable code": lambda j: j.fired("codes"),
    "text: contact detail": lambda j: j.fired("text", "contact:"),
    "text: contact detail or overlay": lambda j: any(j.fired("text", r) for r in OVERLAY_REASONS),
    "text: page": lambda j: j.fired("text", "text_dominated"),
}

T = TypeVar("T")
console = Console(width=None if Console().is_terminal else 200)


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of real photos with manifest.csv; none: left out.")
    ] = None,
    catalogue: Annotated[int, typer.Option(help="Photos of the sample catalogue.", min=0)] = 400,
    read: Annotated[int, typer.Option(help="Maximum photos per category for OCR.", min=1)] = 100,
) -> None:
    """Measure all screens on real and on rendered photos, and print the tables."""
    rules = load_policy(load_settings().policy_file).screens
    predictor = untrained_predictor(load_preset("fast").preprocessing)
    console.print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; shares with the exact")
    console.print("95 % interval; text with the policy's settings, and its budget where stated")
    sources: dict[str, list[LabelledPhoto]] = {}
    if data is not None:
        sources["real photos"] = load_real_photos(data)
    if catalogue:
        half = render_photos(catalogue, violating_share=0.5)  # enough of each kind to count
        sources["sample catalogue"] = half
    for name, photos in sources.items():
        _measure_source(name, photos, rules, predictor, read)


def _measure_source(
    name: str, photos: Sequence[LabelledPhoto], rules: Screens, predictor: Predictor, read: int
) -> None:
    quick = run_pipeline(photos, _without_text(rules), predictor)
    limits = dict.fromkeys(CATEGORIES, read) | MAX_READ_BY_CATEGORY | {"normal": 2 * read}
    only_text = Screens(long_side=rules.long_side, text=rules.text)
    whole = run_pipeline(limit_per_category(photos, limits), only_text, predictor, read_all=True)
    mixture = shop_mixture(photos, VIOLATING_SHARE)[:MAX_MIXTURE_PHOTOS]
    run = run_pipeline(mixture, rules, predictor)
    bare = run_pipeline(mixture, None, predictor)
    _print_found(f"{name}: fired, all photos examined", _combine(quick, whole))
    console.print(f"{quick.rejected} of {len(photos)} photos were rejected and are excluded")
    _print_sharpness(name, quick.scored)
    _print_found(f"{name}: fired in a nightly run, 1 in 5 violating", [(_ALL_FINDINGS, run.scored)])
    _print_times(name, run, bare, _single_call_ms(photos, rules))


_ALL_FINDINGS = tuple(FINDINGS)
_TEXT_FINDINGS = tuple(sign for sign in FINDINGS if sign.startswith("text"))
FoundBy = list[tuple[tuple[str, ...], list[ScreenedPhoto]]]


def _combine(quick: PipelineRun, whole: PipelineRun) -> FoundBy:
    others = tuple(sign for sign in FINDINGS if sign not in _TEXT_FINDINGS)
    return [(others, quick.scored), (_TEXT_FINDINGS, whole.scored)]


def _without_text(rules: Screens) -> Screens:
    return rules.model_copy(update={"text": TextScreen()})


def _print_found(title: str, found: FoundBy) -> None:
    shown = {j.photo.category for _, scored in found for j in scored}
    kinds = [kind for kind in CATEGORIES if kind in shown]
    table = Table("", *kinds, title=title)
    for signs, scored in found:
        by_kind = [[j for j in scored if j.photo.category == kind] for kind in kinds]
        for sign in signs:
            table.add_row(sign, *(str(share(some, FINDINGS[sign])) for some in by_kind))
        if signs[-1] in _TEXT_FINDINGS:
            table.add_row("read", *(str(share(some, lambda j: j.was_read)) for some in by_kind))
    console.print(table)


def _print_sharpness(name: str, scored: Sequence[ScreenedPhoto]) -> None:
    values = {
        kind: [j.screens["sharpness"].value or 0.0 for j in scored if _is_category(j, kind)]
        for kind in ("sharp", "blur", "normal")
    }
    for kind in ("sharp", "normal"):
        found = roc_auc(values[kind], values["blur"])
        if found is not None:
            counts = f"{len(values[kind])} {kind}, {len(values['blur'])} blurred"
            console.print(f"{name}: area under the ROC curve of sharpness {found:.3f} ({counts})")


def _is_category(scored: ScreenedPhoto, kind: str) -> bool:
    return scored.photo.category == kind and "sharpness" in scored.screens


def _print_times(name: str, run: PipelineRun, bare: PipelineRun, alone: dict[str, float]) -> None:
    count = len(run.scored)
    table = Table("", "single calls, CPU", "in a run, busy", title=f"{name}: ms per photo")
    for screen in ("sharpness", "codes", "text", "duplicates"):
        busy = run.stages.get(f"screen_{screen}", 0.0) / count * 1e3
        table.add_row(screen, f"{alone[screen]:.1f}", f"{busy:.1f}")
    for part in ("text gate", "text, with OCR"):
        table.add_row(part, f"{alone[part]:.1f}", "")
    table.add_row("decode, with / without screens", "", _format_both(run, bare, "decode"))
    console.print(table)
    ratio = run.cpu_seconds / bare.cpu_seconds
    console.print(
        f"{count} photos, pipeline without servers: CPU time with screens "
        f"{run.cpu_seconds / count * 1e3:.0f} ms per photo, {ratio:.2f} times that without; wall "
        f"time {run.wall_seconds / bare.wall_seconds:.2f} times; text was read in "
        f"{share(run.scored, lambda j: j.was_read)}"
    )


def _format_both(run: PipelineRun, bare: PipelineRun, stage: str) -> str:
    count = len(run.scored)
    return " / ".join(f"{n.stages.get(stage, 0.0) / count * 1e3:.1f}" for n in (run, bare))


def _single_call_ms(photos: Sequence[LabelledPhoto], rules: Screens) -> dict[str, float]:
    """Return the CPU milliseconds per photo of single calls, on the calling thread."""
    pictures = [
        _decode(p, rules) for p in shop_mixture(photos, VIOLATING_SHARE)[:SINGLE_CALL_PHOTOS]
    ]
    usable = [p for p in pictures if p is not None]
    greys = [limit_long_side(p, rules.long_side) for p in usable]
    hashes = [perceptual_hash(p) for p in usable]
    index = _random_index()
    reader = TextReader()
    second = SecondPass(rules.codes.second_pass)
    likely = [g for g in greys if text_likelihood(g) >= rules.text.min_text_likelihood]
    return {
        "sharpness": _cpu_ms(screen_sharpness, greys),
        "codes": _cpu_ms(lambda grey: screen_codes(grey, second_pass=second), greys),
        "text": _cpu_ms(lambda grey: screen_text(grey, reader), greys),
        "text gate": _cpu_ms(text_likelihood, greys),
        "text, with OCR": _cpu_ms(lambda g: screen_text(g, reader), likely),
        "duplicates": _cpu_ms(lambda pdq: screen_duplicates(*pdq, index), hashes),
    }


def _decode(photo: LabelledPhoto, rules: Screens) -> Image.Image | None:
    scale = DecodePlan(decode_limits(load_settings()), rules.picture_side)
    try:
        return scale.decode(photo.read(), load_preset("fast").preprocessing).image
    except ImageRejected:
        return None


def _random_index() -> DuplicateIndex:
    rng = np.random.default_rng(0)
    rows = (
        DecidedPhoto(f"{n:064x}", rng.bytes(32).hex(), 90, blocked=True) for n in range(INDEX_SIZE)
    )
    return DuplicateIndex(rows)


def _cpu_ms(check: Callable[[T], object], items: Sequence[T]) -> float:
    start = time.thread_time()
    for item in items:
        check(item)
    return (time.thread_time() - start) / max(len(items), 1) * 1e3


if __name__ == "__main__":
    typer.run(main)
