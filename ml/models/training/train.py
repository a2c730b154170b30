"""Train a model version from a folder of labeled photos: `python -m ml train`."""

import csv
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import structlog
import torch

from ml.core.computation import Computation
from ml.core.types import ArchitectureName
from ml.models.card import ModelCard, Thresholds
from ml.models.features import FeatureCache
from ml.models.inference.backend import Logits
from ml.models.load_check import write_probe
from ml.models.predictor import apply_temperature
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.dataset import Dataset, open_dataset, split
from ml.models.training.image_folder import SkippedFile
from ml.models.training.init_network import init_network
from ml.models.training.other_computations import compute_held_out
from ml.models.training.pipeline import (
    Evaluation,
    calibrate,
    package_version,
    train_network,
)
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener, LogListener
from ml.models.training.solved_computations import count_agreements, solve_int8_variant
from ml.models.training.trainer import Splits, TrainJob
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
    checkpoints: Checkpoints | None = None,
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
        preset,
        classes=sorted(policy.classes),
        seed=seed,
        pretrained_weights=pretrained_weights,
        champion=None,
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
        splits = _split(dataset, preset, seed)
        job = TrainJob(
            network, dataset, splits, preset, torch.device(device), seed, listener, checkpoints
        )
        trained = train_network(job, origin, cache=cache, deadline=deadline)
        held_out = compute_held_out(job, trained.state, splits.validation, computations)
        evaluation = _evaluate(job, held_out.logits, policy)
    probe_pixels, others = held_out.probe_pixels, held_out.others
    write_probe(out, probe_pixels, trained.logits(probe_pixels), others.int8_probe)
    return package_version(
        trained,
        evaluation,
        out,
        minutes=minutes,
        agreements=count_agreements(others, evaluation),
        int8=solve_int8_variant(others, evaluation, out, fitted_labels=evaluation.labels),
    )


def _split(dataset: Dataset, preset: Preset, seed: int) -> Splits:
    share, labels, categories = preset.validation_share, dataset.labels, dataset.categories
    return Splits(*split(labels, categories, dataset.groups, share=share, seed=seed))


def _evaluate(job: TrainJob, logits: Logits, policy: Policy) -> Evaluation:
    """Calibrate and evaluate on the validation photos, at the policy's default threshold."""
    dataset, validation = job.dataset, job.splits.validation
    scores, labels = logits.astype(np.float64), dataset.targets[validation].numpy()
    calibration = calibrate(scores, labels)
    return Evaluation(
        apply_temperature(scores, calibration.temperature),
        labels,
        split="validation",
        calibration=calibration,
        thresholds=Thresholds(pass_confidence=policy.pass_confidence, source="policy default"),
        classes=dataset.classes,
        policy=policy,
        categories=np.array(dataset.categories)[validation].tolist(),
    )


def _write_skipped(skipped: Sequence[SkippedFile], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(SkippedFile))
        rows.writerows((f.name, f.reason, f.detail) for f in skipped)
    if skipped:
        log.warning("files left out of training", files=len(skipped), listed_in=str(path))
