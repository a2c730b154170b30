"""Third step of a retraining run: train on a snapshot, to weights and out-of-fold logits.

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

import structlog
import torch

from ml.core.errors import ModelHashMismatch
from ml.core.files import scratch_folder
from ml.core.manifest import ListedPhoto
from ml.core.settings import Settings
from ml.learning.retrain.candidate_training import CandidateTraining
from ml.learning.retrain.starts import Start, list_starts
from ml.learning.retrain.training_artifact import (
    TrainingArtifact,
    has_artifact,
    load_artifact,
    save_artifact,
)
from ml.learning.retrain.unlabelled import has_teacher, open_unlabelled
from ml.learning.snapshot.splits import WeightedSample, check_classes, select_samples
from ml.models.architectures.classifier import Classifier
from ml.models.card import PretrainedWeights
from ml.models.registry import fetch
from ml.models.training.checkpoint import Checkpoints, checkpoint_object
from ml.models.training.dataset import Dataset, open_photos
from ml.models.training.image_folder import Photo
from ml.models.training.init_network import init_network
from ml.models.training.preset import Preset, load_preset
from ml.models.training.progress import Listener, LogListener
from ml.storage import retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.label_issues import LabelIssue, load_label_issues
from ml.storage.photo_cache import local_copies
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import get_manifest
from ml.vision.images.open_photo import decode_limits

log = structlog.get_logger()

# Of the training key; raised where the same plan gives other weights, or an artifact other facts.
_FORMAT = 2


@dataclass(frozen=True)
class _Plan:
    """Everything that determines the weights; `key` is its hash.

    `unlabelled` are the photos to learn from by soft labels: none where the teacher is missing.
    """

    run: RetrainRun
    preset: Preset
    starts: list[Start]
    classes: tuple[str, ...]
    samples: tuple[WeightedSample, ...]
    unlabelled: tuple[ListedPhoto, ...]
    key: str


def train_candidate(
    run_id: str,
    *,
    settings: Settings,
    connections: Connections,
    progress: Listener | None = None,
) -> str:
    """Train on the run's snapshot; returns the training key, by which `load_artifact` reads it.

    The run's row gets the measures of all starts and of the result. `progress` None writes log
    lines.

    Raises:
        RunNotStarted: the run has no snapshot yet.
        TrainingError: the snapshot has too few usable photos, or the loss diverges.
        ObjectNotFound: a photo of the snapshot was never archived.
    """
    engine, store = connections.engine, connections.models
    with scratch_folder(settings.data_dir / "training", "weights-") as folder:
        plan = _plan(run_id, folder, settings, connections)
        if has_artifact(store, plan.key):
            log.info("this training is finished already", training_key=plan.key)
            artifact = load_artifact(store, plan.key)
        else:
            artifact = _train(plan, settings, connections, progress or LogListener())
            save_artifact(store, plan.key, artifact)
            log.info("candidate trained", training_key=plan.key, epochs=len(artifact.history))
    for page in store.list_pages(f"training/{plan.key}/checkpoint-"):
        for checkpoint in page:
            store.delete(checkpoint.key)
    in_transaction(engine, lambda c: retrain_runs.set_values(c, run_id, starts=artifact.compared))
    return plan.key


def _train(
    plan: _Plan, settings: Settings, connections: Connections, listener: Listener
) -> TrainingArtifact:
    with (
        _open_dataset(plan, settings, connections, listener) as dataset,
        open_unlabelled(
            plan.unlabelled, plan.preset.preprocessing, settings, connections
        ) as unlabelled,
    ):
        training = CandidateTraining(
            dataset, _match_samples(plan, dataset), plan.preset, plan.run, settings, listener,
            lambda name: _checkpoints(connections, plan.key, name), unlabelled,
        )  # fmt: skip
        return training.train(
            _init_network(start, plan, settings, connections) for start in plan.starts
        )


def _init_network(
    start: Start, plan: _Plan, settings: Settings, connections: Connections
) -> tuple[Classifier, PretrainedWeights]:
    champion = None
    if start.champion_hash is not None:
        champion = fetch(
            start.champion_hash, store=connections.models, cache=connections.model_cache
        )
    return init_network(
        plan.classes,
        seed=plan.run.seed,
        pretrained_weights=start.pretrained_weights,
        champion=champion,
        architecture=settings.architecture,
    )


def _checkpoints(connections: Connections, key: str, name: str) -> Checkpoints:
    path = f"training/{key}/checkpoint-{name}.safetensors"
    return Checkpoints(checkpoint_object(connections.models, path))


def _plan(run_id: str, folder: Path, settings: Settings, connections: Connections) -> _Plan:
    engine = connections.engine
    run, snapshot_hash = in_transaction(
        engine, lambda c: retrain_runs.load_with_snapshot(c, run_id)
    )
    issues = in_transaction(engine, lambda c: load_label_issues(c, snapshot_hash))
    manifest = get_manifest(connections.models, snapshot_hash)
    preset = load_preset(run.preset)
    starts = list_starts(run, preset, folder, settings=settings, connections=connections)
    unlabelled = manifest.unlabelled if manifest.unlabelled and has_teacher() else ()
    return _Plan(
        run=run,
        preset=preset,
        starts=starts,
        classes=tuple(sorted(manifest.classes)),
        samples=select_samples(manifest, issues, run.policy.retraining.label_issues),
        unlabelled=unlabelled,
        key=_key(run, preset, starts, issues, soft_labels=bool(unlabelled)),
    )


def _key(
    run: RetrainRun,
    preset: Preset,
    starts: Sequence[Start],
    issues: Mapping[str, LabelIssue],
    *,
    soft_labels: bool,
) -> str:
    """SHA-256 (hex) over everything that determines the weights, torch's version included."""
    treatment = run.policy.retraining.label_issues
    used = bool(issues) and treatment.action != "keep"
    decisive = {
        "format": _FORMAT,
        "snapshot": run.snapshot_hash,
        "label_issues": [treatment.model_dump(mode="json"), sorted(issues)] if used else None,
        "preset": preset.model_dump(mode="json"),
        "seed": run.seed,
        "starts": [start.identity for start in starts],
        "soft_labels": soft_labels,
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
        spec=plan.preset.preprocessing,
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
    found = [(sample.photo.label, sample.fold) for sample in samples if sample.weight > 0]
    check_classes(found, plan.classes, remedy=remedy)
    return samples
