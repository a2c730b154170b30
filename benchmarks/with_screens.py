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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.screens_figures import LabelledDecision, summarize_decisions
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
from ml.policy.screens import Screens
from ml.policy.verdict import decide
from ml.vision.images.open_photo import decode_limits

WITHOUT_SCREENS, WITH_BUDGET, ALL_READ = "without", "with screens", "with screens, all texts read"
_WARM_UP_PHOTOS = 32  # networks are loaded and compiled before anything is measured

console = Console(width=None if Console().is_terminal else 200)


@dataclass(frozen=True)
class _RunConfig:
    preset: Preset
    policy: Policy
    settings: Settings
    seed: int
    minutes: float


@dataclass(frozen=True)
class _Model:
    """A trained model with the photos that were held out, and how many it was trained on."""

    predictor: Predictor
    photos: list[LabelledPhoto]
    trained_on: int


@dataclass
class _Way:
    """Decisions of one way to screen, of all seeds, and what they took."""

    outcomes: list[LabelledDecision] = field(default_factory=list)
    read: int = 0
    cpu_seconds: float = 0.0


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/normal and photos/violate.")],
    *,
    preset: Annotated[str, typer.Option(help="Training preset, or a file.")] = "fast",
    seed: Annotated[
        list[int] | None, typer.Option(help="Of split and training; repeat to add up several.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Time limit of each training.")] = 10,
    epochs: Annotated[int | None, typer.Option(help="Overrides the preset's.", min=1)] = None,
    budget_share: Annotated[
        list[float] | None, typer.Option(help="Of the screen `text`; repeat to compare several.")
    ] = None,
) -> None:
    """Train, score the held-out photos without and with screens, and compare the decisions."""
    settings = load_settings()
    policy = load_policy(settings.policy_file)
    recipe = load_preset(preset)
    if epochs is not None:
        recipe = recipe.model_copy(update={"epochs": epochs})
    shares = budget_share or [policy.screens.text.budget_share]
    ways: dict[str, _Way] = {}
    for number in seed or [0]:
        run = _RunConfig(recipe, policy, settings, number, minutes)
        model = _trained_model(data / "photos", run)
        for name, result in _score(model, policy, shares):
            way = ways.setdefault(name, _Way())
            screens = name != WITHOUT_SCREENS
            way.outcomes += _decide(result, model.predictor, policy, screens=screens)
            way.read += sum(scored.was_read for scored in result.scored)
            way.cpu_seconds += result.cpu_seconds
    _print_table(ways, model, run)


def _trained_model(data: Path, run: _RunConfig) -> _Model:
    with tempfile.TemporaryDirectory(prefix="moderation-with-screens-") as scratch:
        rest, held_out = _split(data, run, Path(scratch))
    folder = _model_folder(rest, run)
    if not (folder / "card.json").exists():
        _train(rest, folder, run)
    photos = [LabelledPhoto(p.name, p.category, p.path) for p in held_out]
    return _Model(_predictor(folder, run.settings), photos, len(rest))


def _score(
    model: _Model, policy: Policy, shares: Sequence[float]
) -> Iterator[tuple[str, PipelineRun]]:
    photos, predictor = model.photos, model.predictor
    passes = PassCheck(policy, predictor.pass_confidence).needs_text
    run_pipeline(photos[:_WARM_UP_PHOTOS], policy.screens, predictor, read_all=True)
    yield WITHOUT_SCREENS, run_pipeline(photos, None, predictor)
    for share in shares:
        rules = _with_budget_share(policy.screens, share)
        name = f"{WITH_BUDGET}, budget_share {share:g}"
        yield name, run_pipeline(photos, rules, predictor, needs_text=passes)
    whole = run_pipeline(photos, policy.screens, predictor, read_all=True, needs_text=passes)
    yield ALL_READ, whole


def _with_budget_share(rules: Screens, share: float) -> Screens:
    text = rules.text.model_copy(update={"budget_share": share})
    return rules.model_copy(update={"text": text})


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


def _decide(
    result: PipelineRun, predictor: Predictor, policy: Policy, *, screens: bool
) -> Iterator[LabelledDecision]:
    threshold = predictor.pass_confidence
    for scored in result.scored:
        found = scored.screens if screens else None
        verdict = decide(scored.scores, pass_confidence=threshold, policy=policy, screens=found)
        label = scored.photo.category.split("/")[0]
        is_violation = label in policy.violations
        yield LabelledDecision(scored.photo.category, is_violation, verdict.decision)


def _print_table(ways: dict[str, _Way], model: _Model, run: _RunConfig) -> None:
    effects = {name: summarize_decisions(way.outcomes) for name, way in ways.items()}
    machine = f"{describe_device(resolve_device(run.settings.device))}, {os.cpu_count()} cores"
    card = model.predictor.card
    title = (
        f"{len(ways[WITHOUT_SCREENS].outcomes)} photos held out, {model.trained_on} to train on "
        f"(the last model); {card.preset}, pretrained weights: {card.pretrained_weights.kind}, "
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
    photos = max(len(ways[WITHOUT_SCREENS].outcomes), 1)
    table.add_row(
        "photos read for text", *(f"{100 * n.read / photos:.1f} %" for n in ways.values())
    )
    costs = (f"{1e3 * n.cpu_seconds / photos:.0f} ms" for n in ways.values())
    table.add_row("CPU time per photo", *costs)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
