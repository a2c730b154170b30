"""Third step of a retraining run: train on a snapshot, to weights and held-out logits.

A training is identified by its key, a hash of everything that determines the weights. An
interrupted step continues after its last complete epoch; a finished one is not repeated.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch

from ml.core.computation import Computation
from ml.core.errors import ModelHashMismatch
from ml.core.files import scratch_folder
from ml.core.manifest import Split
from ml.core.settings import Settings
from ml.learning.retrain.starts import Start, choose_start, list_starts
from ml.learning.retrain.training_artifact import TrainingArtifact, has_artifact, save_artifact
from ml.learning.snapshot.splits import WeightedSample, check_splits, select_samples
from ml.models.predictor import resolve_device
from ml.models.registry import fetch
from ml.models.training.checkpoint import Checkpoints, checkpoint_object
from ml.models.training.dataset import Dataset, open_photos
from ml.models.training.image_folder import Photo
from ml.models.training.init_network import init_network
from ml.models.training.other_computations import compute_held_out, find_other_computations
from ml.models.training.pipeline import TrainedNetwork, train_network
from ml.models.training.progress import Listener, LogListener
from ml.models.training.trainer import Ints, Splits, TrainJob
from ml.storage import retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.label_issues import LabelIssue, load_label_issues
from ml.storage.photo_cache import local_copies
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import get_manifest
from ml.vision.images.decode import decode_limits

log = structlog.get_logger()


@dataclass(frozen=True)
class _Plan:
    """Everything that determines the weights; `key` is its hash."""

    run: RetrainRun
    start: Start
    classes: tuple[str, ...]
    samples: tuple[WeightedSample, ...]
    key: str


def train_candidate(
    run_id: str,
    *,
    settings: Settings,
    connections: Connections,
    progress: Listener | None = None,
) -> str:
    """Train on the run's snapshot; returns the training key, by which `load_artifact` reads it.

    If an earlier run distilled pretrained weights for this one, a second training starts from them;
    the better one on the validation photos is returned, and the run's row has the comparison.
    `progress` None writes log lines.

    Raises:
        RunNotStarted: the run has no snapshot yet.
        TrainingError: a split of the snapshot has no usable photo, or the loss diverges.
        ObjectNotFound: a photo of the snapshot was never archived.
    """
    with scratch_folder(settings.data_dir / "training", "weights-") as folder:
        plans = _plans(run_id, folder, settings, connections)
        for plan in plans:
            _train_once(plan, settings, connections, progress or LogListener())
    if len(plans) == 1:
        return plans[0].key
    return choose_start(run_id, [plan.key for plan in plans], connections=connections)


def _train_once(
    plan: _Plan, settings: Settings, connections: Connections, listener: Listener
) -> None:
    if has_artifact(connections.models, plan.key):
        _checkpoints(plan, connections).remove()  # of an attempt that was killed before it did
        log.info("this training is finished already", training_key=plan.key)
        return
    artifact = _train(plan, settings, connections, listener)
    log.info("candidate trained", training_key=plan.key, epochs=len(artifact.history))


def _train(
    plan: _Plan, settings: Settings, connections: Connections, listener: Listener
) -> TrainingArtifact:
    store, seed = connections.models, plan.run.seed
    champion = None
    if plan.start.champion_hash is not None:
        champion = fetch(plan.start.champion_hash, store=store, cache=connections.model_cache)
    checkpoints = _checkpoints(plan, connections)
    network, origin = init_network(
        plan.start.preset,
        classes=plan.classes,
        seed=seed,
        pretrained_weights=plan.start.pretrained_weights,
        champion=champion,
        architecture=settings.architecture,
    )
    device = resolve_device(settings.device)
    with _open_dataset(plan, settings, connections, listener) as dataset:
        samples = _match_samples(plan, dataset)
        train, validation = _indices(samples, Split.TRAIN), _indices(samples, Split.VALIDATION)
        splits = Splits(train, validation, np.array([samples[i].weight for i in train]))
        job = TrainJob(
            network, dataset, splits, plan.start.preset, device, seed, listener, checkpoints
        )
        computations = find_other_computations(settings, device)
        artifact = _add_held_out(train_network(job, origin), job, samples, computations)
    save_artifact(store, plan.key, artifact)
    checkpoints.remove()
    return artifact


def _checkpoints(plan: _Plan, connections: Connections) -> Checkpoints:
    key = f"training/{plan.key}/epoch.safetensors"
    return Checkpoints(checkpoint_object(connections.models, key))


def _plans(run_id: str, folder: Path, settings: Settings, connections: Connections) -> list[_Plan]:
    """The run's training; and one from the weights that an earlier run distilled for it."""
    engine = connections.engine
    run, snapshot_hash = in_transaction(
        engine, lambda c: retrain_runs.load_with_snapshot(c, run_id)
    )
    issues = in_transaction(engine, lambda c: load_label_issues(c, snapshot_hash))
    manifest = get_manifest(connections.models, snapshot_hash)
    return [
        _Plan(
            run=run,
            start=start,
            classes=tuple(sorted(manifest.classes)),
            samples=select_samples(manifest, issues, run.policy.retraining.label_issues),
            key=_key(run, start, issues),
        )
        for start in list_starts(run, folder, settings=settings, connections=connections)
    ]


def _key(run: RetrainRun, start: Start, issues: Mapping[str, LabelIssue]) -> str:
    """SHA-256 (hex) over everything that determines the weights, torch's version included."""
    treatment = run.policy.retraining.label_issues
    used = bool(issues) and treatment.action != "keep"
    decisive = {
        "snapshot": run.snapshot_hash,
        "label_issues": [treatment.model_dump(mode="json"), sorted(issues)] if used else None,
        "preset": start.preset.model_dump(mode="json"),
        "seed": run.seed,
        "start": start.identity,
        "torch": torch.__version__,  # another version would not continue bit for bit
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


@contextmanager
def _open_dataset(
    plan: _Plan, settings: Settings, connections: Connections, listener: Listener
) -> Iterator[Dataset]:
    """The plan's photos, decoded; a warning names those that cannot be."""
    hashes = [sample.photo.content_sha256 for sample in plan.samples]
    copies = local_copies(connections.models, hashes, settings.data_dir / "labelled")
    photos = [
        Photo(path, f"{sample.photo.label}/{sample.photo.content_sha256}", sample.photo.label)
        for sample, path in zip(plan.samples, copies, strict=True)
    ]
    scratch = settings.data_dir / "training"
    scratch.mkdir(parents=True, exist_ok=True)
    with open_photos(
        photos,
        [],
        classes=plan.classes,
        spec=plan.start.preset.preprocessing,
        limits=decode_limits(settings),
        scratch=scratch,
        on_decoded=listener.on_decoded,
    ) as dataset:
        if dataset.skipped:
            reasons = Counter(file.reason for file in dataset.skipped)
            names = [file.name for file in dataset.skipped[:20]]
            log.warning("photos left out of training", reasons=dict(reasons), photos=names)
        yield dataset


def _match_samples(plan: _Plan, dataset: Dataset) -> list[WeightedSample]:
    """The sample of each photo of the dataset, which has those that could be decoded."""
    by_content = {sample.photo.content_sha256: sample for sample in plan.samples}
    for photo in dataset.photos:
        if photo.content_hash not in by_content:
            raise ModelHashMismatch(
                f"{photo.file.path} hashes to {photo.content_hash}: delete this damaged copy"
            )
    samples = [by_content[content] for content in dataset.content_hashes]
    remedy = "label more photos, or set retraining.label_issues to `keep` in the policy file"
    found = [(sample.photo.label, sample.photo.part) for sample in samples]
    required = [part for part in Split if part is not Split.GOLDEN]
    check_splits(found, plan.classes, remedy=remedy, required=required)
    return samples


def _indices(samples: Sequence[WeightedSample], part: Split) -> Ints:
    return np.array([i for i, sample in enumerate(samples) if sample.photo.part is part])


def _add_held_out(
    trained: TrainedNetwork,
    job: TrainJob,
    samples: Sequence[WeightedSample],
    computations: Sequence[Computation],
) -> TrainingArtifact:
    """Add the logits of the validation and calibration photos, and the pixels of the probe."""
    targets = job.dataset.targets.numpy()
    validation, calibration = job.splits.validation, _indices(samples, Split.CALIBRATION)
    held_out = np.concatenate([validation, calibration])
    computed = compute_held_out(job, trained.state, held_out, computations)
    of_validation, of_calibration = np.split(computed.logits, [len(validation)])
    calibration_photos = [samples[i].photo for i in calibration]
    return TrainingArtifact(
        **vars(trained),
        validation_logits=of_validation,
        validation_labels=targets[validation],
        calibration_logits=of_calibration,
        calibration_labels=targets[calibration],
        calibration_weights=np.array([photo.weight for photo in calibration_photos], np.float64),
        calibration_hashes=[photo.content_sha256 for photo in calibration_photos],
        probe_pixels=computed.probe_pixels,
        others=computed.others,
    )
