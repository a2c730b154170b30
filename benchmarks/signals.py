"""`python -m benchmarks.signals`: how often a signal fires on photos of a shop, and what it costs.

The photos are decoded and prepared as the nightly run does it; all views count. Processor time is
measured on one core, as a multiple of a forward pass of ResNet18 (224 px, float32).
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.screens_figures import Share
from benchmarks.screens_photos import LabelledPhoto, limit_per_category, load_real_photos
from benchmarks.screens_pipeline import untrained_predictor
from ml.core.errors import ImageRejected
from ml.models.predictor import Predictor
from ml.models.signals.card import load_card_file
from ml.models.signals.predictor import SignalPredictor
from ml.models.signals.registry import read_source
from ml.models.training.preset import load_preset
from ml.policy.screens import Screens
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import DecodePlan, prepare
from ml.vision.screens.signals import Pixels, prepare_input

THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9)
SPEC = load_preset("article").preprocessing
TIMED, ROUNDS = 64, 3  # photos whose processor time is measured: whole batches

console = Console(width=None if Console().is_terminal else 160)


def main(
    source: Annotated[str, typer.Argument(help="An ONNX file, or PACKAGE:PATH.")],
    card: Annotated[Path, typer.Option(help="Its card.")],
    output: Annotated[str, typer.Option(help="The output that a policy would raise.")],
    data: Annotated[Path, typer.Option(help="Folder of real photos with manifest.csv.")],
    photos: Annotated[int, typer.Option(help="Maximum photos of a category.", min=TIMED)] = 1000,
) -> None:
    """Print false alarms by category and threshold, and the cost of a photo."""
    torch.set_num_threads(1)
    read_card = load_card_file(card)
    signal = SignalPredictor(read_card, read_source(source), threads=1)
    column = read_card.output.classes.index(output)
    every = load_real_photos(data)
    chosen = limit_per_category(every, dict.fromkeys({p.category for p in every}, photos))
    scores = defaultdict(list)
    for photo in track(chosen, "scoring", console=console):
        with suppress(ImageRejected):  # a nightly run quarantines it
            found = signal.scores(views_of(photo, signal))[:, column]
            scores[photo.category].append(float(found.max()))
    console.print(make_table(read_card.name, output, scores))
    normal = [photo for photo in chosen if photo.category == "normal"]
    cost = measure_cost(normal[:TIMED], signal, untrained_predictor(SPEC))
    console.print(
        f"A photo costs {cost.prepare:.2f} (pixels) + {cost.compute:.2f} (model) times a forward "
        f"pass of ResNet18 at 224 px on one core ({TIMED} photos, median of {ROUNDS} rounds)."
    )


def views_of(photo: LabelledPhoto, signal: SignalPredictor) -> list[Pixels]:
    """What the signal sees of a photo."""
    plan = DecodePlan(DecodeLimits(), Screens().long_side)
    decoded = plan.decode(photo.read(), SPEC)
    return [prepare_input(view.image, signal.card.input) for view in decoded.views]


def make_table(name: str, output: str, scores: dict[str, list[float]]) -> Table:
    """The share of each category's photos at or above each threshold."""
    table = Table("category", *(f"{output} ≥ {t}" for t in THRESHOLDS), "highest", title=name)
    for category, values in sorted(scores.items()):
        found = np.array(values)
        shares = (Share(int((found >= t).sum()), len(found)) for t in THRESHOLDS)
        table.add_row(category, *map(str, shares), f"{found.max():.3f}")
    return table


@dataclass(frozen=True)
class Cost:
    """Processor time of a photo, as a multiple of a forward pass of ResNet18."""

    prepare: float
    compute: float


def measure_cost(
    photos: Sequence[LabelledPhoto], signal: SignalPredictor, predictor: Predictor
) -> Cost:
    """The median ratios of some rounds, in each of which everything is computed once."""
    plan, spec = DecodePlan(DecodeLimits(), Screens().long_side), predictor.card.preprocessing
    images = [plan.decode(photo.read(), spec).image for photo in photos]
    pixels = [prepare(plan.for_model(image, spec), spec) for image in images]
    own = [prepare_input(image, signal.card.input) for image in images]
    ratios = []
    for _ in range(ROUNDS):
        forward = seconds_of(lambda: predictor.scores(pixels))
        prepared = seconds_of(lambda: [prepare_input(i, signal.card.input) for i in images])
        computed = seconds_of(lambda: signal.scores(own))
        ratios.append((prepared / forward, computed / forward))
    return Cost(*(float(value) for value in np.median(ratios, axis=0)))


def seconds_of(work: Callable[[], object]) -> float:
    """Processor seconds of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    typer.run(main)
