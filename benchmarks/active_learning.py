"""`python -m benchmarks.active_learning`: labels that active learning needs, against random ones.

A folder as for `ml train`, of which the folders below a violation class are kinds of violations.
Months of a shop are simulated: a share of each month's photos goes to review by the model's scores,
and reviewers label these and the passed photos that are drawn, at random or by the rule of
`ml.policy.active_learning`.
The head is fitted to all labels so far, by the code of the monthly run, and ranks held-out photos.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.active_learning_months import (
    ACTIVE,
    MONTHS,
    RANDOM,
    LabelledPhotos,
    Shop,
    simulate_months,
)
from benchmarks.active_learning_table import format_report
from benchmarks.calibration import images_per_second
from ml.core.settings import ROOT
from ml.models.features import FeatureCache
from ml.models.pretrained_weights import load_pretrained_weights
from ml.models.training.dataset import Dataset, open_dataset
from ml.models.training.frozen_features import read_features
from ml.models.training.preset import load_preset
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import DecodeLimits

FEATURES = ROOT / ".data" / "benchmarks" / "active_learning.safetensors"
_BATCH = 64

console = Console(width=None if Console().is_terminal else 120)


def main(
    data: Annotated[Path, typer.Option(help="Folder with one folder of photos per class.")],
    share: Annotated[list[float] | None, typer.Option(help="Of the policy; repeatable.")] = None,
    absent: Annotated[
        list[str] | None, typer.Option(help="Kinds that the first labels lack; repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Simulated shops of each row.", min=1)] = 24,
    cross_fitted: Annotated[
        bool, typer.Option(help="Select the head's penalty each month, as the monthly run.")
    ] = False,
) -> None:
    """Simulate, and print the report as Markdown."""
    speed = images_per_second()
    photos = _read_photos(data)
    found = {}
    for kind in [None, *(absent or [])]:
        for each in share or [0.02, 0.05, 0.1]:
            shop = Shop(each, kind, cross_fitted)
            name = f"{kind or 'no kind'} absent, share {each}"
            found[shop] = {
                draw: [simulate_months(photos, shop, draw=draw, seed=seed) for seed in runs]
                for draw in (RANDOM, ACTIVE)
                for runs in [track(range(seeds), f"{name}, {draw}", console=console)]
            }
    made = (
        f"{datetime.now(UTC):%Y-%m-%d}, {speed:.0f} images/s (`python -m benchmarks.calibration`)"
    )
    print(format_report(found, photos=len(photos.targets), months=MONTHS, made=made))


def _read_photos(data: Path) -> LabelledPhotos:
    spec = load_preset("monthly").preprocessing
    with (
        tempfile.TemporaryDirectory(prefix="moderation-active-learning-") as scratch,
        open_dataset(
            data,
            policy=load_policy(ROOT / "config" / "policy.yaml"),
            spec=spec,
            limits=DecodeLimits(),
            scratch=Path(scratch),
        ) as dataset,
    ):
        return LabelledPhotos(
            features=_read_features(dataset),
            targets=dataset.targets.numpy(),
            kinds=np.array([category.rpartition("/")[2] for category in dataset.categories]),
            groups=np.array(dataset.groups),
        )


def _read_features(dataset: Dataset) -> np.ndarray:
    network, _ = load_pretrained_weights("bundled", len(dataset.classes))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = np.arange(len(dataset.photos))
    cache = FeatureCache(FEATURES)
    return read_features(network, dataset, rows, device=device, batch=_BATCH, cache=cache)


if __name__ == "__main__":
    typer.run(main)
