"""Distill the teacher into pretrained weights: folders of photos in, a weights file out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ml.core.types import EpochResult
from ml.models.bundled_weights import Provenance, save_bundled_weights
from ml.models.distillation.photos import crop_preprocessing, photos_hash, read_photos
from ml.models.distillation.recipe import Recipe
from ml.models.distillation.teacher import NAME, load_teacher
from ml.models.distillation.trainer import DistillationJob, train_student
from ml.models.training.checkpoint import CheckpointFile, Checkpoints
from ml.models.training.pipeline import library_versions
from ml.models.training.pixel_cache import PixelFile
from ml.models.training.progress import Listener
from ml.vision.images.decode import DecodeLimits

_HASH_DIGITS = 16  # of recipe and photos in the name of the checkpoint


@dataclass(frozen=True)
class Sources:
    """Folders of photos, and a line about the origin and the licence of each."""

    folders: Sequence[Path]
    licences: Sequence[str]


def distill(
    sources: Sources,
    *,
    recipe: Recipe,
    out: Path,
    device: str,
    seed: int,
    limits: DecodeLimits,
    progress: Listener,
) -> Path:
    """Distill the teacher into pretrained weights.

    Called again after a kill with the same recipe, photos and seed, it resumes after the last
    complete epoch: `out` holds the checkpoint until the result is written.

    Args:
        sources: photos; labels are not used.
        recipe: sizes, augmentation, schedule.
        out: folder of the result; created if missing.
        device: "cpu", "cuda" or "cuda:<n>".
        seed: of weights, order and augmentation.
        limits: size limits of a photo.
        progress: is notified of the progress.

    Returns:
        The written .safetensors file; its card is in the same folder.

    Raises:
        PretrainedWeightsError: the teacher's packages are not installed.
        TrainingError: too few photos, or the loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    teacher = load_teacher()
    spec = crop_preprocessing(recipe.teacher_side, recipe.photo_side)
    pixels = PixelFile(out)
    try:
        photos = read_photos(
            sources.folders, pixels, spec=spec, limits=limits, on_decoded=progress.on_decoded
        )
        dataset_hash = photos_hash(photos)
        checkpoints = _checkpoints(out, recipe, dataset_hash, seed)
        job = DistillationJob(
            recipe, teacher, photos, pixels, torch.device(device), seed, progress, checkpoints
        )
        state, history = train_student(job)
    finally:
        pixels.close()
    provenance = _provenance(job, history, dataset_hash, sources.licences)
    path = save_bundled_weights(state, provenance, out)
    checkpoints.remove()
    return path


def _checkpoints(out: Path, recipe: Recipe, dataset_hash: str, seed: int) -> Checkpoints:
    """Named by recipe, photos and seed: another run does not resume from it."""
    name = f"state-{recipe.hash[:_HASH_DIGITS]}-{dataset_hash[:_HASH_DIGITS]}-{seed}.safetensors"
    return Checkpoints(CheckpointFile(out / name))


def _provenance(
    job: DistillationJob,
    history: Sequence[EpochResult],
    dataset_hash: str,
    licences: Sequence[str],
) -> Provenance:
    return Provenance(
        teacher=NAME,
        photos=len(job.photos),
        photos_hash=dataset_hash,
        licences=tuple(licences),
        recipe=job.recipe.model_dump(mode="json"),
        recipe_hash=job.recipe.hash,
        seed=job.seed,
        epochs=len(history),
        hours=round(sum(epoch.seconds for epoch in history) / 3600, 2),
        teacher_agreement=round(history[-1].validation_accuracy, 4),
        libraries=library_versions(),
    )
