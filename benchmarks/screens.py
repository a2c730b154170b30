"""`python -m benchmarks.screens`: what the screens find and miss, and what they cost.

Every figure comes from photos that went through the night's own pipeline, so decode scale, the
shared picture, the order of the screens and the budget of text are those of a night. Text is
measured twice: on a night whose budget never ends (what reading finds) and on a mixture under the
policy's budget (what a night finds). The defaults of some screens were set on parts of the real
photos; docs/screens.md says which.
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

from benchmarks.screens_figures import area, share
from benchmarks.screens_night import Judged, Night, run_night, untrained
from benchmarks.screens_photos import (
    Labelled,
    at_most,
    real_photos,
    rendered_photos,
    shop_mixture,
)
from ml.errors import ImageRejected
from ml.images.decode import decode_limits
from ml.images.fingerprint import perceptual_hash
from ml.inference.predictor import Predictor
from ml.inference.scale import Scale
from ml.policy.policy import load_policy
from ml.policy.screening import Screens, TextScreen
from ml.screens.budget import Budget
from ml.screens.codes import SecondPass, screen_codes
from ml.screens.duplicates import Decided, DecidedPhotos, screen_duplicates
from ml.screens.grey import reduced_grey
from ml.screens.ocr import TextReader
from ml.screens.ranking import Ranking
from ml.screens.sharpness import screen_sharpness
from ml.screens.text import screen_text
from ml.screens.text_gate import text_likelihood
from ml.settings import load_settings
from ml.training.preset import load_preset

ORDER = ("normal", "qr", "ad", "text", "weapon", "fire", "sharp", "blur")
READ_OF_EACH = {"weapon": 20, "fire": 20, "sharp": 0, "blur": 0}  # of little use to text
VIOLATING = 0.2  # of the mixture: the article's 4 : 1
MIXTURE = 1000  # most photos of it
ALONE = 60  # photos for the times of single calls
BANK = 100_000
LAID_OVER = ("contact:", "promotion", "watermark")  # what a banner gives away
SIGNS: dict[str, Callable[[Judged], bool]] = {
    "sharpness: blurred": lambda j: j.fired("sharpness"),
    "codes: code or unreadable code": lambda j: j.fired("codes"),
    "text: contact detail": lambda j: j.fired("text", "contact:"),
    "text: contact detail or laid over": lambda j: any(j.fired("text", r) for r in LAID_OVER),
    "text: page": lambda j: j.fired("text", "text_dominated"),
}

T = TypeVar("T")
console = Console(width=None if Console().is_terminal else 200)


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of real photos with manifest.csv; none: left out.")
    ] = None,
    catalogue: Annotated[int, typer.Option(help="Photos of the sample catalogue.", min=0)] = 400,
    read: Annotated[
        int, typer.Option(help="Most photos of a category that are read for text.", min=1)
    ] = 100,
) -> None:
    """Measure every screen on real and on rendered photos, and print the tables."""
    rules = load_policy(load_settings().policy_file).screens
    predictor = untrained(load_preset("fast").preprocessing)
    console.print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; shares with the exact")
    console.print("95 % interval; text as the policy says but for the budget, where it says so")
    sources: dict[str, list[Labelled]] = {}
    if data is not None:
        sources["real photos"] = real_photos(data)
    if catalogue:
        half = rendered_photos(catalogue, violating_share=0.5)  # enough of each kind to count
        sources["sample catalogue"] = half
    for name, photos in sources.items():
        _source(name, photos, rules, predictor, read)


def _source(
    name: str, photos: Sequence[Labelled], rules: Screens, predictor: Predictor, read: int
) -> None:
    quick = run_night(photos, _without_text(rules), predictor)
    limits = dict.fromkeys(ORDER, read) | READ_OF_EACH | {"normal": 2 * read}
    only_text = Screens(long_side=rules.long_side, text=rules.text)
    whole = run_night(at_most(photos, limits), only_text, predictor, read_all=True)
    mixture = shop_mixture(photos, VIOLATING)[:MIXTURE]
    night = run_night(mixture, rules, predictor)
    bare = run_night(mixture, None, predictor)
    _print_found(f"{name}: fired, every photo looked at", _joined(quick, whole))
    console.print(f"{quick.rejected} of {len(photos)} photos could not be judged and are left out")
    _print_sharpness(name, quick.judged)
    _print_found(f"{name}: fired in a night, 1 in 5 violating", [(_ALL, night.judged)])
    _print_times(name, night, bare, _alone(photos, rules))


_ALL = tuple(SIGNS)
_TEXT = tuple(sign for sign in SIGNS if sign.startswith("text"))
Found = list[tuple[tuple[str, ...], list[Judged]]]


def _joined(quick: Night, whole: Night) -> Found:
    others = tuple(sign for sign in SIGNS if sign not in _TEXT)
    return [(others, quick.judged), (_TEXT, whole.judged)]


def _without_text(rules: Screens) -> Screens:
    return rules.model_copy(update={"text": TextScreen()})


def _print_found(title: str, found: Found) -> None:
    shown = {j.photo.category for _, judged in found for j in judged}
    kinds = [kind for kind in ORDER if kind in shown]
    table = Table("", *kinds, title=title)
    for signs, judged in found:
        by_kind = [[j for j in judged if j.photo.category == kind] for kind in kinds]
        for sign in signs:
            table.add_row(sign, *(str(share(some, SIGNS[sign])) for some in by_kind))
        if signs[-1] in _TEXT:
            table.add_row("read", *(str(share(some, lambda j: j.was_read)) for some in by_kind))
    console.print(table)


def _print_sharpness(name: str, judged: Sequence[Judged]) -> None:
    values = {
        kind: [j.screens["sharpness"].value or 0.0 for j in judged if _is(j, kind)]
        for kind in ("sharp", "blur", "normal")
    }
    for kind in ("sharp", "normal"):
        found = area(values[kind], values["blur"])
        if found is not None:
            counts = f"{len(values[kind])} {kind}, {len(values['blur'])} blurred"
            console.print(f"{name}: area under the ROC curve of sharpness {found:.3f} ({counts})")


def _is(judged: Judged, kind: str) -> bool:
    return judged.photo.category == kind and "sharpness" in judged.screens


def _print_times(name: str, night: Night, bare: Night, alone: dict[str, float]) -> None:
    count = len(night.judged)
    table = Table("", "alone, processor", "in the night, busy", title=f"{name}: ms a photo")
    for screen in ("sharpness", "codes", "text", "duplicates"):
        busy = night.stages.get(f"screen_{screen}", 0.0) / count * 1e3
        table.add_row(screen, f"{alone[screen]:.1f}", f"{busy:.1f}")
    for part in ("text gate", "text, a photo that is read"):
        table.add_row(part, f"{alone[part]:.1f}", "")
    table.add_row("decode, with / without screens", "", _both(night, bare, "decode"))
    console.print(table)
    ratio = night.cpu_seconds / bare.cpu_seconds
    console.print(
        f"{count} photos, pipeline alone (no servers): processor time with screens "
        f"{night.cpu_seconds / count * 1e3:.0f} ms a photo, without {ratio:.2f} times less; wall "
        f"{night.wall_seconds / bare.wall_seconds:.2f} times; text was read in "
        f"{share(night.judged, lambda j: j.was_read)}"
    )


def _both(night: Night, bare: Night, stage: str) -> str:
    count = len(night.judged)
    return " / ".join(f"{n.stages.get(stage, 0.0) / count * 1e3:.1f}" for n in (night, bare))


def _alone(photos: Sequence[Labelled], rules: Screens) -> dict[str, float]:
    """Milliseconds of processor time of the calling thread, a photo, one call after the other."""
    pictures = [_decoded(p, rules) for p in shop_mixture(photos, VIOLATING)[:ALONE]]
    usable = [p for p in pictures if p is not None]
    greys = [reduced_grey(p, rules.long_side) for p in usable]
    hashes = [perceptual_hash(p) for p in usable]
    bank = _bank()
    reader, ranking = TextReader(), Ranking(Budget(float("inf")))
    second = SecondPass(rules.codes.second_pass)
    likely = [g for g in greys if text_likelihood(g) >= rules.text.gate]
    return {
        "sharpness": _ms(screen_sharpness, greys),
        "codes": _ms(lambda grey: screen_codes(grey, second_pass=second), greys),
        "text": _ms(lambda grey: screen_text(grey, reader, ranking), greys),
        "text gate": _ms(text_likelihood, greys),
        "text, a photo that is read": _ms(lambda g: screen_text(g, reader, ranking), likely),
        "duplicates": _ms(lambda pdq: screen_duplicates(*pdq, bank), hashes),
    }


def _decoded(photo: Labelled, rules: Screens) -> Image.Image | None:
    scale = Scale(decode_limits(load_settings()), rules.picture_side)
    try:
        return scale.decode(photo.read(), load_preset("fast").preprocessing).image
    except ImageRejected:
        return None


def _bank() -> DecidedPhotos:
    rng = np.random.default_rng(0)
    rows = (Decided(f"{n:064x}", rng.bytes(32).hex(), 90, blocked=True) for n in range(BANK))
    return DecidedPhotos(rows)


def _ms(check: Callable[[T], object], items: Sequence[T]) -> float:
    start = time.thread_time()
    for item in items:
        check(item)
    return (time.thread_time() - start) / max(len(items), 1) * 1e3


if __name__ == "__main__":
    typer.run(main)
