"""Distill the teacher into pretrained weights: folders of photos in, a weights file out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.bundled_weights import Provenance, save_bundled_weights
from ml.models.distillation.networks import TEACHER, load_teacher
from ml.models.distillation.recipe import Recipe
from ml.models.distillation.trainer import DistillationJob, train_student
from ml.models.training.checkpoint import Checkpoints, checkpoint_file
from ml.models.training.dataset import Dataset, open_photos
from ml.models.training.image_folder import Photo
from ml.models.training.pipeline import library_versions
from ml.models.training.progress import Listener
from ml.vision.images.decode import DecodeLimits

_HASH_DIGITS = 16  # of recipe and photos in the name of the checkpoint
_UNLABELED = "unlabelled"  # part of the hash of the photos: its spelling must not change


def distill(
    photos: Sequence[Path],
    *,
    licences: Sequence[str],
    recipe: Recipe,
    out: Path,
    device: str,
    seed: int,
    limits: DecodeLimits,
    progress: Listener,
) -> Path:
    """Distill the teacher into a .safetensors file in the folder `out`, with its card.

    `photos` are folders; labels are not used. `licences` has a line about the origin and license of
    each. Called again after a kill with the same recipe, photos and seed, it resumes after the last
    complete epoch: `out` holds the checkpoint until the result is written. The device is "cpu",
    "cuda" or "cuda:<n>".

    Raises:
        PretrainedWeightsError: the teacher's packages are not installed.
        TrainingError: too few photos, or the loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    teacher = load_teacher()
    files = _list_files(photos)
    with open_photos(
        files,
        [],
        classes=[_UNLABELED],
        spec=recipe.preprocessing,
        limits=limits,
        scratch=out,
        on_decoded=progress.on_decoded,
    ) as opened:
        dataset = _sort_and_deduplicate(opened)
        checkpoints = _checkpoints(out, recipe, dataset.hash, seed)
        job = DistillationJob(
            recipe, teacher, dataset, torch.device(device), seed, progress, checkpoints
        )
        state, history = train_student(job)
    provenance = _provenance(job, history, licences)
    path = save_bundled_weights(state, provenance, out)
    checkpoints.remove()
    return path


def _list_files(folders: Sequence[Path]) -> list[Photo]:
    files: list[Photo] = []
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"no folder at {folder}: name one with photos")
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        files += [Photo(p, p.relative_to(folder).as_posix(), _UNLABELED) for p in paths]
    return files


def _sort_and_deduplicate(dataset: Dataset) -> Dataset:
    """The photos by content hash, so that the result does not depend on their names."""
    if not dataset.photos:
        raise TrainingError("no photo could be read: name folders of photos with --photos")
    first = {photo.content_hash: photo for photo in reversed(dataset.photos)}
    return replace(dataset, photos=tuple(first[content] for content in sorted(first)))


def _checkpoints(out: Path, recipe: Recipe, photos_hash: str, seed: int) -> Checkpoints:
    """Named by recipe, photos and seed: another run does not resume from it."""
    name = f"state-{recipe.hash[:_HASH_DIGITS]}-{photos_hash[:_HASH_DIGITS]}-{seed}.safetensors"
    return Checkpoints(checkpoint_file(out / name))


def _provenance(
    job: DistillationJob, history: Sequence[EpochResult], licences: Sequence[str]
) -> Provenance:
    return Provenance(
        teacher=TEACHER,
        photos=len(job.dataset.photos),
        photos_hash=job.dataset.hash,
        licences=tuple(licences),
        recipe=job.recipe.model_dump(mode="json"),
        recipe_hash=job.recipe.hash,
        seed=job.seed,
        epochs=len(history),
        hours=round(sum(epoch.seconds for epoch in history) / 3600, 2),
        teacher_agreement=round(history[-1].validation_accuracy, 4),
        libraries=library_versions(),
    )
