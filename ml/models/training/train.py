"""Train a model version from a folder of labelled photos: `python -m ml train`."""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import structlog
import torch

from ml.models.card import ModelCard, Thresholds
from ml.models.evaluation.calibration import apply_temperature
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.dataset import Dataset, open_dataset
from ml.models.training.feature_cache import FeatureCache
from ml.models.training.image_folder import SkippedFile
from ml.models.training.init_network import init_network
from ml.models.training.pipeline import (
    Evaluation,
    calibrate,
    evaluate_calibrated,
    package_version,
    train_network,
)
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener, LogListener
from ml.models.training.split import split
from ml.models.training.trainer import Splits, TrainJob, predict
from ml.policy.schema import Policy
from ml.vision.images.decode import DecodeLimits

log = structlog.get_logger()

REJECTED = "rejected.csv"


@dataclass(frozen=True)
class TrainedVersion:
    """A version in its folder, with its metrics, plots and the list of files left out."""

    folder: Path
    card: ModelCard


def train(
    data: Path,
    *,
    preset: Preset,
    policy: Policy,
    out: Path,
    pretrained_weights: str,
    device: str,
    seed: int,
    limits: DecodeLimits,
    progress: Listener | None = None,
    checkpoints: Checkpoints | None = None,
    minutes: float | None = None,
    cache: FeatureCache | None = None,
) -> TrainedVersion:
    """Train, calibrate, evaluate and package one version.

    Writes `weights.safetensors`, `card.json`, `metrics.json`, `plots/*.png`, `rejected.csv` and
    `training_photos.json`. A preset that starts from the champion gets the pretrained weights
    instead: this run has no champion.

    Args:
        data: an ImageFolder whose folders are the policy's classes.
        preset: the recipe.
        policy: names the classes; its `pass_confidence` goes into the card.
        out: folder of the version; created if missing. During training it also holds the resized
            photos in an unnamed temporary file: about 260 kB per photo at `resize: 256`.
        pretrained_weights: "auto", "imagenet", "bundled", "none" or a .safetensors file.
        device: "cpu", "cuda" or "cuda:<n>".
        seed: of split, head, order and augmentation.
        limits: size limits of a photo.
        progress: is notified of the progress; None writes log lines.
        checkpoints: of this run, which resumes from them; None: it starts at the beginning.
        minutes: time budget of the run: as many epochs as fit into what the head leaves of it.
            None: as many as the preset says.
        cache: of features for the head; None: all are computed.

    Raises:
        TrainingError: the folder cannot be used, the loss is not finite, or there is no time.
        PretrainedWeightsError: the pretrained weights are unavailable.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    listener = progress or LogListener()
    out.mkdir(parents=True, exist_ok=True)
    network, origin = init_network(
        preset,
        classes=sorted(policy.classes),
        seed=seed,
        pretrained_weights=pretrained_weights,
        champion=None,
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
        splits = _split(dataset, preset, seed)
        target = torch.device(device)
        job = TrainJob(network, dataset, splits, preset, target, seed, listener, checkpoints)
        trained = train_network(job, origin, cache=cache, deadline=deadline)
        evaluation = _evaluate(job, policy)
    return TrainedVersion(out, package_version(trained, evaluation, out, minutes=minutes))


def _split(dataset: Dataset, preset: Preset, seed: int) -> Splits:
    return Splits(
        *split(
            dataset.labels,
            dataset.categories,
            dataset.groups,
            share=preset.validation_share,
            seed=seed,
        )
    )


def _evaluate(job: TrainJob, policy: Policy) -> Evaluation:
    """Calibrate and evaluate on the validation photos, at the policy's default threshold."""
    dataset, validation = job.dataset, job.splits.validation
    logits = predict(job.network, dataset, validation, device=job.device, batch=job.preset.batch)
    scores, labels = logits.double().numpy(), dataset.targets[validation].numpy()
    calibration = calibrate(scores, labels)
    categories = dataset.categories
    return evaluate_calibrated(
        apply_temperature(scores, calibration.temperature),
        labels,
        split="validation",
        calibration=calibration,
        thresholds=Thresholds(pass_confidence=policy.pass_confidence, source="policy default"),
        classes=dataset.classes,
        policy=policy,
        categories=[categories[i] for i in validation],
    )


def _write_skipped(skipped: Sequence[SkippedFile], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(SkippedFile))
        rows.writerows((f.name, f.reason, f.detail) for f in skipped)
    if skipped:
        log.warning("files left out of training", files=len(skipped), listed_in=str(path))
