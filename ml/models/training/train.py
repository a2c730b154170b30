"""Train a model version from a folder of labeled photos: `python -m ml train`."""

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import structlog
import torch

from ml.core.computation import Computation
from ml.core.types import ArchitectureName
from ml.models.architectures.classifier import Classifier
from ml.models.card import ModelCard, PretrainedWeights
from ml.models.evaluation.calibration import solve_threshold
from ml.models.evaluation.held_out_labels import Bools, HeldOutLabels, hold_out
from ml.models.features import FeatureCache
from ml.models.load_check import write_probe
from ml.models.predictor import apply_temperature
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.cross_fit_job import CrossFitJob, Floats, fit_start, read_start_features
from ml.models.training.dataset import open_dataset
from ml.models.training.folds import assign_folds
from ml.models.training.image_folder import Photo, SkippedFile
from ml.models.training.init_network import init_network
from ml.models.training.other_computations import PredictedPhotos, compute_others, load_probe
from ml.models.training.pipeline import (
    Evaluation,
    TrainedNetwork,
    calibrate,
    package_version,
    train_network,
)
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener, LogListener
from ml.models.training.solved_computations import count_agreements, solve_int8_variant
from ml.policy.schema import Policy
from ml.vision.images.open_photo import DecodeLimits

log = structlog.get_logger()

REJECTED = "rejected.csv"


@dataclass(frozen=True)
class TrainedVersion:
    """A packaged version, with the photos (N,) of its folder and their out-of-fold scores."""

    card: ModelCard
    labels: HeldOutLabels
    photos: tuple[Photo, ...]
    is_share_assumed: bool

    @property
    def violation_share(self) -> float:
        """Share of violations, by the weights of the labels."""
        return float(np.average(self.labels.is_violation, weights=self.labels.weights))


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
    violation_share: float | None = None,
) -> TrainedVersion:
    """Train, calibrate, evaluate and package one version.

    `data` is an ImageFolder whose folders are the policy's classes. The folder `out` gets the files
    of `package_version` and `rejected.csv`; during training it also holds the resized photos in an
    unnamed temporary file, about 260 kB per photo at `resize: 256`. A preset that starts from the
    champion gets the pretrained weights instead: this run has no champion. With `minutes`, as many
    epochs are run as fit into what the head leaves of this time. A run with `checkpoints` resumes
    from them. `computations` are compared with torch float32, see `find_other_computations`.
    `pretrained_weights` is the setting, see `load_pretrained_weights`; the device is
    "cpu", "cuda" or "cuda:<n>". The leak bound is that of a stream with `violation_share`, 0..1, of
    violations; None: as in the folder.

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
        trained, predicted = _train_network(job, network, origin, deadline)
        probe_pixels, others = load_probe(predicted), compute_others(predicted, computations)
        evaluation, held_out = _evaluate(predicted, policy, violation_share=violation_share)
    write_probe(out, probe_pixels, trained.logits(probe_pixels), others.int8_probe)
    card = package_version(
        trained,
        evaluation,
        out,
        minutes=minutes,
        agreements=count_agreements(others, evaluation),
        int8=solve_int8_variant(
            others, evaluation, out, weights=held_out.weights, groups=held_out.groups
        ),
    )
    files = tuple(photo.file for photo in dataset.photos)
    return TrainedVersion(card, held_out, files, is_share_assumed=violation_share is not None)


def _train_network(
    job: CrossFitJob, network: Classifier, origin: PretrainedWeights, deadline: float | None
) -> tuple[TrainedNetwork, PredictedPhotos]:
    """Train from a network, which is changed in place; return the result, and what it predicts."""
    features = read_start_features(job, network, pretrained=origin.kind != "scratch")
    start = fit_start(job, network, features)
    trained, fitted = train_network(job, start, origin, deadline=deadline)
    everything, logits = np.arange(len(job.targets)), fitted.logits.astype(np.float32)
    predicted = PredictedPhotos(network, trained.state, job.dataset, everything, logits, job.device)
    return trained, predicted


def _evaluate(
    predicted: PredictedPhotos, policy: Policy, *, violation_share: float | None
) -> tuple[Evaluation, HeldOutLabels]:
    """Calibrate, solve the threshold and evaluate on the out-of-fold logits of all photos."""
    dataset, logits = predicted.dataset, predicted.logits.astype(np.float64)
    labels = dataset.targets.numpy()
    calibration = calibrate(logits, labels)
    probabilities = apply_temperature(logits, calibration.temperature)
    violations = [c for c, name in enumerate(dataset.classes) if name in policy.violations]
    is_violation = np.isin(labels, violations)
    held_out = hold_out(
        probabilities[:, violations].sum(axis=1),
        is_violation,
        _weigh(is_violation, violation_share),
        np.array(dataset.groups),
    )
    bound = policy.retraining.leak_bound
    thresholds = solve_threshold(
        held_out, rate=bound.rate, confidence=bound.confidence, default=policy.pass_confidence
    )
    evaluation = Evaluation(
        probabilities,
        labels,
        split="out_of_fold",
        calibration=calibration,
        thresholds=thresholds,
        classes=dataset.classes,
        policy=policy,
        categories=dataset.categories,
    )
    return evaluation, held_out


def _weigh(is_violation: Bools, violation_share: float | None) -> Floats:
    """Weights (N,) by which violations have this share of the photos; None: all count alike."""
    if violation_share is None:
        return np.ones(len(is_violation))
    found = is_violation.mean()
    weights: Floats = np.where(
        is_violation, violation_share / found, (1.0 - violation_share) / (1.0 - found)
    )
    return weights


def _write_skipped(skipped: Sequence[SkippedFile], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(SkippedFile))
        rows.writerows((f.name, f.reason, f.detail) for f in skipped)
    if skipped:
        log.warning("files left out of training", files=len(skipped), listed_in=str(path))
