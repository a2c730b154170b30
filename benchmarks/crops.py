"""`python -m benchmarks.crops --data FOLDER`: how a photo should become a square for the model.

The fits: the center square, the whole photo squashed or padded to a square, and the squares at both
ends, of which the worse counts. Photos: the labelled ones of FOLDER, and a set made from its normal
ones with marks near the edges (`benchmarks.crops_photos`), each with its unmarked twin. A head is
fitted to the frozen features of the bundled weights, out of fold; near duplicates, and photos made
from one, share a fold. Recall is that at 5 % false alarms, of each set by its own normal photos.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.calibration import images_per_second
from benchmarks.crops_photos import ASPECTS, POSITIONS, MadePhoto, make_photos
from benchmarks.crops_scores import Bools, Floats, Rows, compare, detect, score_out_of_fold
from ml.core.concurrency import batched
from ml.core.settings import ROOT
from ml.models.architectures.classifier import Classifier
from ml.models.pretrained_weights import load_pretrained_weights
from ml.models.training.dataset import Dataset, open_dataset
from ml.models.training.folds import assign_folds
from ml.policy.schema import load_policy
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import ARTICLE, Preprocessing, normalize, prepare

SEEDS = 3
BATCH, ROUNDS, TIMED_PHOTOS = 32, 5, 64
_TALL, _WIDE = 0.8, 1.25  # width / height

console = Console(width=None if Console().is_terminal else 120)

Pixels = npt.NDArray[np.uint8]
Fit = Callable[[Image.Image], list[Pixels]]


def _spec(side: int, fit: str) -> Preprocessing:
    changed = {"resize": side, "crop": side, "fit": fit}
    return Preprocessing.model_validate(ARTICLE.model_dump() | changed)


CROP, SQUASH, LARGER = _spec(128, "crop"), _spec(128, "squash"), _spec(160, "squash")


def pad(image: Image.Image) -> list[Pixels]:
    """The whole photo in the middle of a gray square, which normalizes to about zero."""
    ground = tuple(round(255 * value) for value in ARTICLE.mean)
    scale = CROP.crop / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new("RGB", (CROP.crop, CROP.crop), ground)
    place = ((CROP.crop - size[0]) // 2, (CROP.crop - size[1]) // 2)
    square.paste(image.resize(size, Image.Resampling.BILINEAR), place)
    return [prepare(square, CROP)]


def crop_ends(image: Image.Image) -> list[Pixels]:
    """The squares at both ends of the long side; one of a square photo."""
    short = min(image.size)
    far = (image.width - short, image.height - short)
    boxes = {(0, 0, short, short), (*far, far[0] + short, far[1] + short)}
    return [prepare(image.crop(box), CROP) for box in sorted(boxes)]


FITS: dict[str, Fit] = {
    "center crop": lambda image: [prepare(image, CROP)],
    "squash": lambda image: [prepare(image, SQUASH)],
    "pad": pad,
    "two crops": crop_ends,
    "squash, 160 px": lambda image: [prepare(image, LARGER)],
}


def read_features(network: Classifier, fit: Fit, photos: Iterable[bytes]) -> Rows:
    """Decode, fit and forward photos in batches; the features of each square of each photo."""
    features, owners, limits = [], [], DecodeLimits()
    for batch in batched(enumerate(photos), BATCH):
        squares = []
        for number, data in batch:
            image = decode(data, limits=limits, short_side=LARGER.resize).image
            found = fit(image)
            squares += found
            owners += [number] * len(found)
        pixels = torch.from_numpy(np.stack(squares))
        with torch.inference_mode():
            features.append(network.features(normalize(pixels, ARTICLE)).numpy())
    return Rows(np.concatenate(features), np.array(owners))


@dataclass(frozen=True)
class Labelled:
    """All photos: the labelled ones, then those that were made; `shapes` are width / height."""

    paths: list[Path]
    targets: npt.NDArray[np.int64]
    categories: list[str]
    groups: list[int]
    shapes: Floats
    made: list[MadePhoto]

    @property
    def is_made(self) -> Bools:
        """Which are of the made set."""
        return np.arange(len(self.paths)) >= len(self.paths) - len(self.made)

    def folds(self, seed: int) -> npt.NDArray[np.int64]:
        """The fold of each photo."""
        labels = [str(target) for target in self.targets]
        return assign_folds(labels, self.categories, self.groups, seed=seed)

    def made_where(self, aspect: str, position: str) -> Bools:
        """Which are made photos of an aspect and position; an empty text: of all."""
        found = [
            bool(m.kind) and aspect in ("", m.aspect) and position in ("", m.position)
            for m in self.made
        ]
        return np.concatenate([np.zeros(len(self.paths) - len(found), bool), found])


def list_photos(dataset: Dataset, folder: Path, of_each: int) -> Labelled:
    """The photos of the dataset, and those that are made from its normal ones."""
    real = [photo.file for photo in dataset.photos]
    normal = [i for i, photo in enumerate(real) if photo.label == "normal"]
    made = list(make_photos([real[i].path for i in normal], folder, of_each=of_each))
    groups = dataset.groups
    wide_high = [ASPECTS[m.aspect] for m in made]
    return Labelled(
        [*(photo.path for photo in real), *(m.path for m in made)],
        np.array(
            [*(photo.label != "normal" for photo in real), *(bool(m.kind) for m in made)], int
        ),
        [*dataset.categories, *(f"made/{m.kind}" for m in made)],
        [*groups, *(groups[normal[m.base]] for m in made)],
        np.array([*(_shape(p.path) for p in real), *(w / h for w, h in wide_high)]),
        made,
    )


def _shape(path: Path) -> float:
    with Image.open(path) as image:
        return image.width / image.height


def _real(photos: Labelled) -> dict[str, Bools]:
    """The labelled violations by shape."""
    real, shapes = (photos.targets > 0) & ~photos.is_made, photos.shapes
    return {
        "all": real,
        "tall": real & (shapes < _TALL),
        "square": real & (shapes >= _TALL) & (shapes <= _WIDE),
        "wide": real & (shapes > _WIDE),
    }


def _made(photos: Labelled) -> dict[str, Bools]:
    """The marked photos by aspect and position of the mark."""
    found = {"all": photos.made_where("", "")}
    found |= {position: photos.made_where("", position) for position in POSITIONS}
    for aspect in ASPECTS:
        found |= {f"{aspect} {p}": photos.made_where(aspect, p) for p in ("", *POSITIONS)}
    return found


def list_subsets(photos: Labelled) -> dict[str, Bools]:
    """The violations by name."""
    real = {f"real: {name}": found for name, found in _real(photos).items()}
    return real | {f"made: {name}": found for name, found in _made(photos).items()}


def measure_detection(rows: dict[str, Rows], photos: Labelled) -> dict[str, Floats]:
    """By fit: the share of the seeds, 0..1, in which each photo is above its set's cut-off."""
    normal, made = photos.targets == 0, photos.is_made
    found = {fit: np.zeros(len(made)) for fit in rows}
    for fit, features in rows.items():
        for seed in range(SEEDS):
            scores = score_out_of_fold(features, photos.targets, photos.folds(seed))
            for members in (made, ~made):
                found[fit][members] += detect(scores, normal & members)[members] / SEEDS
    return found


def measure_speed(network: Classifier, photos: Sequence[bytes]) -> dict[str, float]:
    """Images/s of decode, fit and forward: the median of rounds in which all fits take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in FITS}
    for _ in range(ROUNDS):
        for name, fit in FITS.items():
            start = time.perf_counter()
            read_features(network, fit, photos)
            seconds[name].append(time.perf_counter() - start)
    return {name: len(photos) / statistics.median(found) for name, found in seconds.items()}


def print_tables(
    detected: dict[str, Floats], subsets: dict[str, Bools], speed: dict[str, float]
) -> None:
    """Print recall, the difference from the first fit, and the cost."""
    table = Table("violations", "n", *detected, title=f"Recall at 5 % false alarms, {SEEDS} seeds")
    for name, chosen in subsets.items():
        recalls = (100 * found[chosen].mean() for found in detected.values())
        table.add_row(name, str(chosen.sum()), *(f"{recall:.1f} %" for recall in recalls))
    reference = next(iter(detected.values()))
    for name in ("real: all", "real: tall", "made: all"):
        chosen = subsets[name]
        pairs = (compare(found[chosen], reference[chosen]) for found in detected.values())
        cells = (f"{100 * mean:+.1f} ± {100 * half:.1f}" for mean, half in pairs)
        table.add_row(f"{name}, difference", str(chosen.sum()), *cells)
    table.add_row("images/s", "", *(f"{speed[fit]:.0f}" for fit in detected))
    console.print(table)


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/, a folder for each class.")],
    of_each: Annotated[int, typer.Option(help="Marked photos of each aspect and position.")] = 30,
) -> None:
    """Measure recall and cost of each fit, and print the tables."""
    before = images_per_second()
    network = load_pretrained_weights("bundled", 2)[0].eval()
    with tempfile.TemporaryDirectory(prefix="moderation-crops-") as scratch:
        with open_dataset(
            data / "photos", policy=load_policy(ROOT / "config" / "policy.yaml"), spec=CROP,
            limits=DecodeLimits(), scratch=Path(scratch),
        ) as dataset:  # fmt: skip
            photos = list_photos(dataset, Path(scratch), of_each)
        contents = [path.read_bytes() for path in photos.paths]
        rows = {
            name: read_features(network, fit, track(contents, name, console=console))
            for name, fit in FITS.items()
        }
        tall = [c for c, shape in zip(contents, photos.shapes, strict=True) if shape < _TALL]
        speed = measure_speed(network, tall[:TIMED_PHOTOS])
    print_tables(measure_detection(rows, photos), list_subsets(photos), speed)
    console.print(f"calibration: {before:.0f} images/s before, {images_per_second():.0f} after")


if __name__ == "__main__":
    typer.run(main)
