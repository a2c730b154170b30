"""`python -m benchmarks.with_screens`: verdicts of one trained model with and without the screens.

A part of the photos is held out; the model is trained on the rest from the configured pretrained
weights, as many epochs as fit into `--minutes`. Preprocessing, screens and decisions are those of
the nightly run.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.screens_figures import DecisionSummary, LabelledDecision, summarize_decisions
from benchmarks.screens_photos import LabelledPhoto
from benchmarks.screens_pipeline import PipelineRun, run_pipeline
from ml.core.settings import Settings, load_settings
from ml.models.checkpoint import load_checkpoint
from ml.models.predictor import Predictor, describe_device, resolve_device
from ml.models.pretrained_weights import load_pretrained_weights
from ml.models.training.dataset import open_dataset
from ml.models.training.folds import assign_folds
from ml.models.training.image_folder import Photo
from ml.models.training.preset import Preset, load_preset
from ml.models.training.progress import listener
from ml.models.training.train import train
from ml.moderation.pipeline.pass_check import PassCheck
from ml.policy.schema import Policy, load_policy
from ml.policy.verdict import decide
from ml.vision.images.open_photo import decode_limits

WITHOUT_SCREENS, WITH_BUDGET, ALL_READ = "without", "with screens", "with screens, all texts read"

console = Console(width=None if Console().is_terminal else 140)


@dataclass(frozen=True)
class _RunConfig:
    preset: Preset
    policy: Policy
    settings: Settings
    seed: int
    minutes: float


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/normal and photos/violate.")],
    *,
    preset: Annotated[str, typer.Option(help="Training preset, or a file.")] = "fast",
    seed: Annotated[int, typer.Option(help="Seed of the split and the training.")] = 0,
    minutes: Annotated[float, typer.Option(help="Time limit of training.")] = 10,
    epochs: Annotated[int | None, typer.Option(help="Overrides the preset's.", min=1)] = None,
    max_photos: Annotated[int | None, typer.Option(help="Limit of photos.", min=1)] = None,
) -> None:
    """Train, score the held-out photos three times, and compare the decisions."""
    settings = load_settings()
    policy = load_policy(settings.policy_file)
    recipe = load_preset(preset)
    if epochs is not None:
        recipe = recipe.model_copy(update={"epochs": epochs})
    run = _RunConfig(recipe, policy, settings, seed, minutes)
    with tempfile.TemporaryDirectory(prefix="moderation-with-screens-") as scratch:
        rest, held_out = _split(data / "photos", run, Path(scratch))
    trained = _model_folder(rest, run)
    if not (trained / "card.json").exists():
        _train(rest, trained, run)
    photos = [LabelledPhoto(p.name, p.category, p.path) for p in held_out[:max_photos]]
    predictor = _predictor(trained, settings)
    passes = PassCheck(policy, predictor.pass_confidence).needs_text
    results = {
        WITHOUT_SCREENS: run_pipeline(photos, None, predictor),
        WITH_BUDGET: run_pipeline(photos, policy.screens, predictor, needs_text=passes),
        ALL_READ: run_pipeline(photos, policy.screens, predictor, read_all=True, needs_text=passes),
    }
    _print_table(results, predictor, run, len(rest))


def _model_folder(photos: Sequence[Photo], run: _RunConfig) -> Path:
    """Return the folder of the model; it depends on the whole recipe."""
    _, origin = load_pretrained_weights(run.settings.pretrained_weights, len(run.policy.classes))
    asked = [
        run.preset.model_dump_json(),
        origin.model_dump_json(),
        str(run.seed),
        str(run.minutes),
    ]
    name = hashlib.sha256("\n".join([*asked, *(p.name for p in photos)]).encode()).hexdigest()[:12]
    folder = run.settings.data_dir / "benchmarks" / f"with_screens-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _predictor(folder: Path, settings: Settings) -> Predictor:
    checkpoint = load_checkpoint(folder)
    device = resolve_device(settings.device)
    return Predictor(checkpoint, device=device, batch_size=settings.batch_size)


def _split(data: Path, run: _RunConfig, scratch: Path) -> tuple[list[Photo], list[Photo]]:
    """Split into training and held-out photos: stratified, near-duplicates on one side."""
    with open_dataset(
        data,
        policy=run.policy,
        spec=run.preset.preprocessing,
        limits=decode_limits(run.settings),
        scratch=scratch,
    ) as dataset:
        labels, categories, groups = dataset.labels, dataset.categories, dataset.groups
        is_held_out = assign_folds(labels, categories, groups, seed=run.seed) == 0
        files = [photo.file for photo in dataset.photos]
    rest, held_out = (
        [file for file, held in zip(files, is_held_out, strict=True) if held == part]
        for part in (False, True)
    )
    return rest, _shuffle(held_out, run.seed)


def _shuffle(photos: list[Photo], seed: int) -> list[Photo]:
    """Shuffle the photos: categories are mixed in a run, and the OCR budget grows over time."""
    order = np.random.default_rng(seed).permutation(len(photos))
    return [photos[n] for n in order]


def _train(photos: Sequence[Photo], out: Path, run: _RunConfig) -> None:
    with _symlinked_folder(photos) as folder, listener(console) as progress:
        train(
            folder,
            preset=run.preset,
            policy=run.policy,
            out=out,
            pretrained_weights=run.settings.pretrained_weights,
            device=resolve_device(run.settings.device).type,
            seed=run.seed,
            limits=decode_limits(run.settings),
            progress=progress,
            minutes=run.minutes,
        )


@contextmanager
def _symlinked_folder(photos: Sequence[Photo]) -> Iterator[Path]:
    """Yield a temporary folder of symbolic links to the photos."""
    with tempfile.TemporaryDirectory(prefix="moderation-training-") as name:
        for photo in photos:
            link = Path(name) / photo.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(photo.path.resolve())
        yield Path(name)


def _summarize(
    result: PipelineRun, predictor: Predictor, policy: Policy, *, screens: bool
) -> DecisionSummary:
    threshold = predictor.pass_confidence
    outcomes = []
    for scored in result.scored:
        found = scored.screens if screens else None
        verdict = decide(scored.scores, pass_confidence=threshold, policy=policy, screens=found)
        label = scored.photo.category.split("/")[0]
        outcomes.append(
            LabelledDecision(scored.photo.category, label in policy.violations, verdict.decision)
        )
    return summarize_decisions(outcomes)


def _print_table(
    results: dict[str, PipelineRun], predictor: Predictor, run: _RunConfig, trained: int
) -> None:
    effects = {
        name: _summarize(result, predictor, run.policy, screens=name != WITHOUT_SCREENS)
        for name, result in results.items()
    }
    machine = f"{describe_device(resolve_device(run.settings.device))}, {os.cpu_count()} cores"
    card = predictor.card
    title = (
        f"{len(results[WITHOUT_SCREENS].scored)} photos held out, {trained} to train on; "
        f"{card.preset}, pretrained weights: {card.pretrained_weights.kind}, "
        f"{card.pretrained_weights.detail[:40]}; {run.preset.epochs} epochs; "
        f"threshold {card.thresholds.pass_confidence}; {machine}"
    )
    table = Table("", *effects, title=title)
    table.add_row("violations not passed", *(str(e.recall) for e in effects.values()))
    for category in effects[WITHOUT_SCREENS].by_category:
        cells = (str(e.by_category[category]) for e in effects.values())
        table.add_row(f"  {category}", *cells)
    table.add_row("review rate", *(str(e.reviewed) for e in effects.values()))
    table.add_row("normal photos in review", *(str(e.false_review) for e in effects.values()))
    table.add_row("violations among passed photos", *(str(e.leak) for e in effects.values()))
    read = (sum(j.was_read for j in n.scored) / max(len(n.scored), 1) for n in results.values())
    table.add_row("photos read for text", *(f"{100 * part:.1f} %" for part in read))
    per_photo = ((n.cpu_seconds / len(n.scored) * 1e3) for n in results.values())
    table.add_row("CPU time per photo", *(f"{ms:.0f} ms" for ms in per_photo))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
