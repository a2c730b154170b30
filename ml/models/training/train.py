"""Train a model version from a folder of labeled photos: `python -m ml train`."""

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import structlog
import torch

from ml.core.computation import Computation
from ml.core.types import ArchitectureName
from ml.models.card import ModelCard, Thresholds
from ml.models.features import FeatureCache
from ml.models.load_check import write_probe
from ml.models.predictor import apply_temperature
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.cross_fit_job import CrossFitJob, Floats, fit_start, read_start_features
from ml.models.training.dataset import Dataset, open_dataset
from ml.models.training.folds import assign_folds
from ml.models.training.image_folder import SkippedFile
from ml.models.training.init_network import init_network
from ml.models.training.other_computations import PredictedPhotos, compute_others, load_probe
from ml.models.training.pipeline import (
    Evaluation,
    calibrate,
    package_version,
    train_network,
)
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener, LogListener
from ml.models.training.solved_computations import count_agreements, solve_int8_variant
from ml.policy.schema import Policy
from ml.vision.images.decode import DecodeLimits

log = structlog.get_logger()

REJECTED = "rejected.csv"


def train(
    data: Path,
    *,
    preset: Preset,
    policy: Policy,
    out: Path,
    pretrained_weights: str,
    architecture: ArchitectureName = "resnet18",
    device: str,
    seed: int,
    limits: DecodeLimits,
    progress: Listener | None = None,
    checkpoints: Callable[[str], Checkpoints] | None = None,
    minutes: float | None = None,
    cache: FeatureCache | None = None,
    computations: Sequence[Computation] = (),
) -> ModelCard:
    """Train, calibrate, evaluate and package one version; returns its card.

    `data` is an ImageFolder whose folders are the policy's classes. The folder `out` gets the files
    of `package_version` and `rejected.csv`; during training it also holds the resized photos in an
    unnamed temporary file, about 260 kB per photo at `resize: 256`. A preset that starts from the
    champion gets the pretrained weights instead: this run has no champion. With `minutes`, as many
    epochs are run as fit into what the head leaves of this time. A run with `checkpoints` resumes
    from them. `computations` are compared with torch float32, see `find_other_computations`.
    `pretrained_weights` is the setting, see `load_pretrained_weights`; the device is
    "cpu", "cuda" or "cuda:<n>".

    Raises:
        TrainingError: the folder cannot be used, the loss is not finite, or there is no time.
        PretrainedWeightsError: the pretrained weights are unavailable.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    listener = progress or LogListener()
    out.mkdir(parents=True, exist_ok=True)
    network, origin = init_network(
        sorted(policy.classes),
        seed=seed,
        pretrained_weights=pretrained_weights,
        architecture=architecture,
    )
    with open_dataset(
        data,
        policy=policy,
        spec=preset.preprocessing,
        limits=limits,
        scratch=out,
        on_decoded=listener.on_decoded,
    ) as dataset:
        _write_skipped(dataset.skipped, out / REJECTED)
        photos = len(dataset.photos)
        folds = assign_folds(dataset.labels, dataset.categories, dataset.groups, seed=seed)
        job = CrossFitJob(
            dataset, folds, np.ones(photos), np.ones(photos, bool), preset,
            torch.device(device), seed, listener, checkpoints, cache,
        )  # fmt: skip
        features = read_start_features(job, network, pretrained=origin.kind != "scratch")
        start = fit_start(job, network, features)
        trained, fitted = train_network(job, start, origin, deadline=deadline)
        predicted = PredictedPhotos(
            network, trained.state, dataset, np.arange(photos), fitted.logits.astype(np.float32),
            job.device,
        )  # fmt: skip
        probe_pixels, others = load_probe(predicted), compute_others(predicted, computations)
        evaluation = _evaluate(dataset, fitted.logits, policy)
    write_probe(out, probe_pixels, trained.logits(probe_pixels), others.int8_probe)
    return package_version(
        trained,
        evaluation,
        out,
        minutes=minutes,
        agreements=count_agreements(others, evaluation),
        int8=solve_int8_variant(others, evaluation, out),
    )


def _evaluate(dataset: Dataset, logits: Floats, policy: Policy) -> Evaluation:
    """Calibrate and evaluate on out-of-fold logits, at the policy's default threshold."""
    labels = dataset.targets.numpy()
    calibration = calibrate(logits, labels)
    return Evaluation(
        apply_temperature(logits, calibration.temperature),
        labels,
        split="out_of_fold",
        calibration=calibration,
        thresholds=Thresholds(pass_confidence=policy.pass_confidence, source="policy default"),
        classes=dataset.classes,
        policy=policy,
        categories=dataset.categories,
    )


def _write_skipped(skipped: Sequence[SkippedFile], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(SkippedFile))
        rows.writerows((f.name, f.reason, f.detail) for f in skipped)
    if skipped:
        log.warning("files left out of training", files=len(skipped), listed_in=str(path))
