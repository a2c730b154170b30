"""Distill the teacher into pretrained weights: photos in, a weights file out."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
import torch

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.bundled_weights import (
    FOLDER,
    WEIGHTS,
    Provenance,
    read_earlier_runs,
    save_bundled_weights,
)
from ml.models.card import PretrainedWeights
from ml.models.distillation.networks import TEACHER, load_teacher
from ml.models.distillation.recipe import Recipe
from ml.models.distillation.sources import Origin, count_sources
from ml.models.distillation.trainer import DistillationJob, train_student
from ml.models.pretrained_weights import load_pretrained_weights
from ml.models.training.checkpoint import CheckpointBackend, Checkpoints, checkpoint_file
from ml.models.training.dataset import Dataset, open_photos
from ml.models.training.image_folder import Photo
from ml.models.training.pipeline import library_versions
from ml.models.training.progress import Listener
from ml.vision.images.open_photo import DecodeLimits

log = structlog.get_logger()

UNLABELED = "unlabelled"  # part of the hash of the photos: its spelling must not change
_HASH_DIGITS = 16  # of recipe, photos and start in the name of the checkpoint


@dataclass(frozen=True)
class Origins:
    """Where the photos come from, for the card: lines of text, and the origin by content hash."""

    licences: tuple[str, ...] = ()
    by_content: Mapping[str, Origin] = field(default_factory=dict)


def list_files(folders: Sequence[Path]) -> list[Photo]:
    """All files of the folders, without regard to their names.

    Raises:
        TrainingError: a folder does not exist.
    """
    files: list[Photo] = []
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"no folder at {folder}: name one with photos")
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        name = folder.resolve().name
        files += [Photo(p, f"{name}/{p.relative_to(folder).as_posix()}", UNLABELED) for p in paths]
    return files


def distill(
    photos: Sequence[Photo],
    *,
    start: str | None,
    origins: Origins,
    recipe: Recipe,
    out: Path,
    device: str,
    seed: int,
    limits: DecodeLimits,
    progress: Listener,
    checkpoint_at: Callable[[str], CheckpointBackend] | None = None,
) -> Path:
    """Distill the teacher into a .safetensors file in the folder `out`, with its card.

    The labels of the photos are not used. The student starts from the weights `start`, a value of
    the setting `pretrained_weights`; None or "none": from random ones. Called again after a kill
    with the same recipe, photos, seed and start, it resumes after the last complete epoch from its
    checkpoint: a file in `out`, or what `checkpoint_at` returns for the checkpoint's name. The
    device is "cpu", "cuda" or "cuda:<n>".

    Raises:
        PretrainedWeightsError: the teacher's package is not installed, or `start` is no ResNet18.
        TrainingError: too few photos, or the loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    teacher = load_teacher()
    student = _load_start(start)
    with open_photos(
        photos,
        [],
        classes=[UNLABELED],
        spec=recipe.preprocessing,
        limits=limits,
        scratch=out,
        on_decoded=progress.on_decoded,
    ) as opened:
        dataset = _sort_and_deduplicate(opened)
        name = _checkpoint_name(recipe, dataset.hash, seed, student.origin)
        backend = checkpoint_at(name) if checkpoint_at else checkpoint_file(out / name)
        job = DistillationJob(
            recipe,
            teacher,
            dataset,
            torch.device(device),
            seed,
            progress,
            Checkpoints(backend),
            student.state,
        )
        trunk, history = train_student(job)
    path = save_bundled_weights(trunk, _provenance(job, history, student, origins), out)
    job.checkpoints.remove()
    return path


@dataclass(frozen=True)
class _Start:
    """Weights that the student starts from, and the distillations that made them; None: random."""

    state: Mapping[str, torch.Tensor] | None = None
    origin: PretrainedWeights | None = None
    before: tuple[Provenance, ...] = ()


def _load_start(start: str | None) -> _Start:
    if start in {None, "none"}:
        return _Start()
    network, origin = load_pretrained_weights(start, 1)
    files = {"bundled": FOLDER / WEIGHTS, "file": Path(start)}
    file = files.get(origin.kind)
    before = read_earlier_runs(file) if file is not None else ()
    return _Start(network.state_dict(), origin, before)


def _sort_and_deduplicate(dataset: Dataset) -> Dataset:
    """The photos by content hash, so that the result does not depend on their names."""
    if dataset.skipped:
        reasons = Counter(file.reason for file in dataset.skipped)
        log.warning("photos left out", reasons=dict(reasons))
    if not dataset.photos:
        raise TrainingError(
            "no photo could be read: name folders of photos with --photos, or a list of the shop's "
            "own with --listed"
        )
    first = {photo.content_hash: photo for photo in reversed(dataset.photos)}
    return replace(dataset, photos=tuple(first[content] for content in sorted(first)))


def _checkpoint_name(
    recipe: Recipe, photos_hash: str, seed: int, origin: PretrainedWeights | None
) -> str:
    """By recipe, photos, seed and start: another run does not resume from it."""
    name = f"state-{recipe.hash[:_HASH_DIGITS]}-{photos_hash[:_HASH_DIGITS]}-{seed}"
    if origin is not None:
        start = hashlib.sha256(origin.model_dump_json().encode()).hexdigest()
        name += f"-{start[:_HASH_DIGITS]}"
    return f"{name}.safetensors"


def _provenance(
    job: DistillationJob,
    history: Sequence[EpochResult],
    start: _Start,
    origins: Origins,
) -> Provenance:
    photos = job.dataset.photos
    return Provenance(
        teacher=TEACHER,
        photos=len(photos),
        photos_hash=job.dataset.hash,
        licences=origins.licences,
        recipe=job.recipe.model_dump(mode="json"),
        recipe_hash=job.recipe.hash,
        seed=job.seed,
        epochs=len(history),
        hours=round(sum(epoch.seconds for epoch in history) / 3600, 2),
        teacher_agreement=round(history[-1].validation_accuracy, 4),
        libraries=library_versions(),
        start=start.origin,
        before=start.before,
        sources=count_sources(((p.content_hash, p.file.name) for p in photos), origins.by_content),
    )
