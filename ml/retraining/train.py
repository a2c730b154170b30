"""The training step of the month: from a frozen snapshot to weights and held-out logits.

A run is named by its training key: all that decides the weights. A killed step, called again, goes
on after its last whole epoch; a finished one is found by its key and not repeated. Which photo is
for what comes from the manifest and is never drawn anew, so that look-alikes stay on one side.
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

from ml.connections import Connections
from ml.errors import ModelHashMismatch, RunNotBegun, TrainingError
from ml.images.decode import decode_limits
from ml.inference.device import resolve
from ml.labels.photo_store import local_copies
from ml.model.card import StartWeights
from ml.model.checkpoint import Checkpoint, file_sha256
from ml.model.registry import fetch
from ml.model.shipped_weights import shipped_card
from ml.retraining.checkpoints import BucketCheckpoints
from ml.retraining.lessons import Lesson, lessons
from ml.retraining.manifest import Part, get_manifest
from ml.retraining.trained import Trained, is_trained, put_trained
from ml.settings import Settings
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.label_doubts import Doubt, load_doubts
from ml.storage.retrain_runs import RetrainRun
from ml.training.dataset import Dataset, open_photos
from ml.training.folder import Photo
from ml.training.head import fit_head, wants_fitting
from ml.training.libraries import library_versions
from ml.training.loop import Floats, Ints, Job, Parts, fit, predict
from ml.training.preset import Preset, load_preset
from ml.training.progress import EpochResult, Listener, PlainLines
from ml.training.start import start_network

log = structlog.get_logger()

_PROBE_PHOTOS = 8


@dataclass(frozen=True)
class _Plan:
    """All that decides what is trained; `key` is the hash of it."""

    run: RetrainRun
    preset: Preset
    classes: tuple[str, ...]
    lessons: tuple[Lesson, ...]
    champion_hash: str | None  # to go on from
    key: str


def train_candidate(
    run_id: str,
    *,
    settings: Settings,
    connections: Connections,
    progress: Listener | None = None,
) -> str:
    """Train on the run's snapshot; returns the training key, by which `load_trained` reads it.

    Args:
        run_id: its row names snapshot, preset, seed, policy and champion.
        settings: device, cache, limits of a photo, start weights.
        connections: database and model bucket.
        progress: is told what has been done; None writes log lines.

    Raises:
        RunNotBegun: the run has no snapshot yet.
        TrainingError: a part of the snapshot has no usable photo, or the loss diverges.
        ObjectAbsent: a photo of the snapshot was never kept.
    """
    plan = _plan(run_id, settings, connections)
    if is_trained(connections.models, plan.key):
        log.info("this training is finished already", training_key=plan.key)
        return plan.key
    told = progress or PlainLines()
    checkpoints = BucketCheckpoints(connections.models, plan.key)
    network, origin = start_network(
        plan.preset,
        classes=plan.classes,
        seed=plan.run.seed,
        start_weights=settings.start_weights,
        champion=_champion(plan, connections),
    )
    device = resolve(settings.device)
    with _photos(plan, settings, connections, told) as dataset:
        sides = _sides(plan, dataset)
        parts = Parts(sides.train, sides.validation, sides.weights)
        job = Job(network, dataset, parts, plan.preset, device, plan.run.seed, told, checkpoints)
        if wants_fitting(plan.preset, origin):
            fit_head(job, network)
        history = fit(job)
        trained = _result(job, sides, origin, history)
    put_trained(connections.models, plan.key, trained)
    checkpoints.remove()
    log.info("candidate trained", training_key=plan.key, epochs=len(history))
    return plan.key


def _plan(run_id: str, settings: Settings, connections: Connections) -> _Plan:
    run = in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))
    if run.snapshot_hash is None:
        raise RunNotBegun(f"retraining run {run_id!r} has no snapshot: its `freeze` did not finish")
    snapshot_hash = run.snapshot_hash
    doubts = in_transaction(connections.engine, lambda c: load_doubts(c, snapshot_hash))
    manifest = get_manifest(connections.models, snapshot_hash)
    preset = load_preset(run.preset)
    chosen = lessons(manifest, doubts, run.policy.retraining.doubts)
    champion_hash = run.champion_hash if preset.start == "champion" else None
    start = champion_hash or _start_identity(settings.start_weights)
    return _Plan(
        run=run,
        preset=preset,
        classes=tuple(sorted(manifest.classes)),
        lessons=chosen,
        champion_hash=champion_hash,
        key=_key(run, preset, doubts, start),
    )


def _key(run: RetrainRun, preset: Preset, doubts: Mapping[str, Doubt], start: str) -> str:
    """SHA-256 (hex) over all that decides the weights, the version of torch included."""
    treatment = run.policy.retraining.doubts
    used = bool(doubts) and treatment.action != "keep"
    decisive = {
        "snapshot": run.snapshot_hash,
        "doubts": [treatment.model_dump(mode="json"), sorted(doubts)] if used else None,
        "preset": preset.model_dump(mode="json"),
        "seed": run.seed,
        "start": start,
        "torch": torch.__version__,  # another one would not go on bit for bit
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _start_identity(setting: str) -> str:
    """By content where there is a file: `auto` may take the shipped one."""
    if setting in {"auto", "shipped"}:
        return f"{setting} {shipped_card().sha256}"
    return file_sha256(Path(setting)) if Path(setting).is_file() else setting


@contextmanager
def _photos(
    plan: _Plan, settings: Settings, connections: Connections, told: Listener
) -> Iterator[Dataset]:
    """The plan's photos, decoded; what cannot be is left out with a warning."""
    hashes = [lesson.photo.content_sha256 for lesson in plan.lessons]
    copies = local_copies(connections.models, hashes, settings.data_dir / "labelled")
    photos = [
        Photo(path, f"{lesson.photo.label}/{lesson.photo.content_sha256}", lesson.photo.label)
        for lesson, path in zip(plan.lessons, copies, strict=True)
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
        done=told.decoded,
    ) as dataset:
        if dataset.rejected:
            reasons = Counter(r.reason for r in dataset.rejected)
            names = [r.name for r in dataset.rejected[:20]]
            log.warning("photos left out of training", reasons=dict(reasons), photos=names)
        yield dataset


@dataclass(frozen=True)
class _Sides:
    """Indices into the dataset, by part, and the lesson of each of its photos."""

    train: Ints
    validation: Ints
    calibration: Ints
    lessons: tuple[Lesson, ...]

    @property
    def weights(self) -> Floats:
        """How often each photo of `train` is drawn against the others."""
        return np.array([self.lessons[i].weight for i in self.train])

    def contents(self, indices: Ints) -> list[str]:
        """Content hashes of photos."""
        return [self.lessons[i].photo.content_sha256 for i in indices]


def _sides(plan: _Plan, dataset: Dataset) -> _Sides:
    """Take the parts of the manifest over to the photos that could be decoded.

    Raises:
        ModelHashMismatch: a local copy has other bytes than the photo.
        TrainingError: a part is empty, or a class absent from training.
    """
    by_content = {lesson.photo.content_sha256: lesson for lesson in plan.lessons}
    for scanned in dataset.scanned:
        if scanned.content_hash not in by_content:
            raise ModelHashMismatch(
                f"{scanned.photo.path} hashes to {scanned.content_hash}: delete this damaged copy"
            )
    used = tuple(by_content[scanned.content_hash] for scanned in dataset.scanned)
    _check(plan.classes, used)
    return _Sides(
        train=_indices(used, Part.TRAIN),
        validation=_indices(used, Part.VALIDATION),
        calibration=_indices(used, Part.CALIBRATION),
        lessons=used,
    )


def _indices(used: Sequence[Lesson], part: Part) -> Ints:
    return np.array([i for i, lesson in enumerate(used) if lesson.photo.part is part])


def _check(classes: Sequence[str], used: Sequence[Lesson]) -> None:
    remedy = "label more photos, or set retraining.doubts to `keep` in the policy file"
    filled = {lesson.photo.part for lesson in used}
    empty = [part for part in Part if part is not Part.GOLDEN and part not in filled]
    if empty:
        raise TrainingError(f"no usable photo is left for {', '.join(empty)}: {remedy}")
    known = {lesson.photo.label for lesson in used if lesson.photo.part is Part.TRAIN}
    absent = sorted(set(classes) - known)
    if absent:
        raise TrainingError(f"no usable photo of {', '.join(absent)} is left to train on: {remedy}")


def _result(job: Job, sides: _Sides, origin: StartWeights, history: list[EpochResult]) -> Trained:
    dataset, targets = job.dataset, job.dataset.targets.numpy()
    held_out = np.concatenate([sides.validation, sides.calibration])
    logits = predict(job.network, dataset, held_out, device=job.device, batch=job.preset.batch)
    of_validation, of_calibration = np.split(logits.numpy(), [len(sides.validation)])
    stands_for = [sides.lessons[i].photo.weight for i in sides.calibration]
    return Trained(
        state={name: t.cpu() for name, t in job.network.state_dict().items()},
        classes=dataset.classes,
        preprocessing=dataset.spec,
        start_weights=origin,
        preset=job.preset.name,
        data_hash=dataset.hash,
        training_images=len(sides.train),
        validation_images=len(sides.validation),
        libraries=library_versions(),
        seed=job.seed,
        history=history,
        validation_logits=of_validation,
        validation_labels=targets[sides.validation],
        calibration_logits=of_calibration,
        calibration_labels=targets[sides.calibration],
        calibration_weights=np.array(stands_for, dtype=np.float64),
        train_hashes=sides.contents(sides.train),
        validation_hashes=sides.contents(sides.validation),
        calibration_hashes=sides.contents(sides.calibration),
        probe_pixels=dataset.prepared(held_out[:_PROBE_PHOTOS].tolist()),
    )


def _champion(plan: _Plan, connections: Connections) -> Checkpoint | None:
    if plan.champion_hash is None:
        return None
    return fetch(plan.champion_hash, store=connections.models, cache=connections.model_cache)
