"""Folders of photos in, a file of start weights with its card out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ml.distillation.kept_state import FileCheckpoints
from ml.distillation.photos import photos_hash, read_photos, squares_of
from ml.distillation.recipe import Recipe
from ml.distillation.run import Distillation
from ml.distillation.run import distil as run
from ml.distillation.teacher import NAME, load_teacher
from ml.images.decode import DecodeLimits
from ml.model.shipped_weights import Made, save_start_weights
from ml.training.libraries import library_versions
from ml.training.pixels import PixelFile
from ml.training.progress import Listener

_HASH_DIGITS = 16  # of recipe and photos in the name of the kept state


@dataclass(frozen=True)
class Sources:
    """Folders of photos, and a line about where each came from and under which licence."""

    folders: Sequence[Path]
    licences: Sequence[str]


def distil(
    sources: Sources,
    *,
    recipe: Recipe,
    out: Path,
    device: str,
    seed: int,
    limits: DecodeLimits,
    progress: Listener,
) -> Path:
    """Distil the teacher into start weights.

    A run that was killed goes on after its last whole epoch when it is called again with the same
    recipe, photos and seed: its state lies in `out` until the result is written.

    Args:
        sources: photos; labels count for nothing.
        recipe: sizes, variation, schedule.
        out: folder of the result; is made where absent.
        device: "cpu", "cuda" or "cuda:<n>".
        seed: decides weights, order and variation.
        limits: what a photo may be.
        progress: is told what has been done.

    Returns:
        The written .safetensors file; its card lies beside it.

    Raises:
        StartWeightsError: the teacher's packages are not installed.
        TrainingError: too few photos, or the loss diverges.
    """
    out.mkdir(parents=True, exist_ok=True)
    teacher = load_teacher()
    spec = squares_of(recipe.teacher_side, recipe.photo_side)
    pixels = PixelFile(out)
    try:
        photos = read_photos(
            sources.folders, pixels, spec=spec, limits=limits, done=progress.decoded
        )
        learnt_from = photos_hash(photos)
        name = f"state-{recipe.hash[:_HASH_DIGITS]}-{learnt_from[:_HASH_DIGITS]}-{seed}.safetensors"
        kept = FileCheckpoints(out / name)
        job = Distillation(
            recipe, teacher, photos, pixels, torch.device(device), seed, progress, kept
        )
        state, history = run(job)
    finally:
        pixels.close()
    made = Made(
        teacher=NAME,
        photos=len(photos),
        photos_hash=learnt_from,
        licences=tuple(sources.licences),
        recipe=recipe.model_dump(mode="json"),
        recipe_hash=recipe.hash,
        seed=seed,
        epochs=len(history),
        hours=round(sum(epoch.seconds for epoch in history) / 3600, 2),
        teacher_agreement=round(history[-1].validation_accuracy, 4),
        libraries=library_versions(),
    )
    written = save_start_weights(state, made, out)
    kept.remove()
    return written
