"""`python -m benchmarks.with_screens`: one trained model, judged with and without the screens.

A part of the photos is held out before anything else; the model is trained on the others, from the
start weights that the setting names, and its temperature comes from a part of those. Pixels,
screens and decisions are the night's own. Training stops after `--minutes`, and the same command
goes on from the epoch that it came to.
"""

import hashlib
import os
import sys
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

from benchmarks.file_checkpoints import FileCheckpoints, TimeUp
from benchmarks.screens_figures import Effect, Outcome, effect
from benchmarks.screens_night import Night, run_night
from benchmarks.screens_photos import Labelled
from ml.images.decode import decode_limits
from ml.inference.device import describe, resolve
from ml.inference.predictor import Predictor
from ml.model.checkpoint import load_checkpoint
from ml.model.start_weights import load_start_weights
from ml.policy.policy import Policy, load_policy
from ml.policy.verdict import decide
from ml.settings import Settings, load_settings
from ml.training.dataset import open_dataset
from ml.training.folder import Photo
from ml.training.preset import Preset, load_preset
from ml.training.progress import listener
from ml.training.split import split
from ml.training.train import train

HELD_OUT = 0.2
FOR_CALIBRATION = 0.1  # of the others: temperature
WITHOUT, NIGHT, ALL_READ = "without", "with screens", "with screens, every text read"

console = Console(width=None if Console().is_terminal else 140)


@dataclass(frozen=True)
class _Run:
    preset: Preset
    policy: Policy
    settings: Settings
    seed: int
    minutes: float


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/normal and photos/violate.")],
    *,
    preset: Annotated[str, typer.Option(help="Training preset, or a file.")] = "fast",
    seed: Annotated[int, typer.Option(help="Of the split and the training.")] = 0,
    minutes: Annotated[float, typer.Option(help="Of training; then it stops to go on later.")] = 10,
    epochs: Annotated[int | None, typer.Option(help="Instead of the preset's.", min=1)] = None,
    held: Annotated[int | None, typer.Option(help="Judge only so many.", min=1)] = None,
) -> None:
    """Train, judge the held-out photos thrice and print the decisions side by side."""
    settings = load_settings()
    policy = load_policy(settings.policy_file)
    recipe = load_preset(preset).model_copy(update={"validation_share": FOR_CALIBRATION})
    if epochs is not None:
        recipe = recipe.model_copy(update={"epochs": epochs})
    run = _Run(recipe, policy, settings, seed, minutes)
    with tempfile.TemporaryDirectory(prefix="moderation-with-screens-") as scratch:
        rest, held_out = _parts(data / "photos", run, Path(scratch))
    trained = _folder(rest, run)
    if not (trained / "card.json").exists():
        _train(rest, trained, run)
    photos = [Labelled(p.name, p.category, p.path) for p in held_out[:held]]
    predictor = _predictor(trained, settings)
    nights = {
        WITHOUT: run_night(photos, None, predictor),
        NIGHT: run_night(photos, policy.screens, predictor),
        ALL_READ: run_night(photos, policy.screens, predictor, read_all=True),
    }
    _print(nights, predictor, run, len(rest))


def _folder(photos: Sequence[Photo], run: _Run) -> Path:
    """Where the model lies, and its training until it is done; another recipe has another one."""
    _, origin = load_start_weights(run.settings.start_weights, len(run.policy.classes))
    asked = [run.preset.model_dump_json(), origin.model_dump_json(), str(run.seed)]
    name = hashlib.sha256("\n".join([*asked, *(p.name for p in photos)]).encode()).hexdigest()[:12]
    folder = run.settings.data_dir / "benchmarks" / f"with_screens-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _predictor(folder: Path, settings: Settings) -> Predictor:
    checkpoint = load_checkpoint(folder)
    device = resolve(settings.device)
    return Predictor(checkpoint, device=device, batch_images=settings.batch_images)


def _parts(data: Path, run: _Run, scratch: Path) -> tuple[list[Photo], list[Photo]]:
    """The photos to train on and those held out: stratified, look-alikes on one side."""
    with open_dataset(
        data,
        policy=run.policy,
        spec=run.preset.preprocessing,
        limits=decode_limits(run.settings),
        scratch=scratch,
    ) as dataset:
        labels, categories, groups = dataset.labels, dataset.categories, dataset.groups
        parts = split(labels, categories, groups, share=HELD_OUT, seed=run.seed)
        rest, held_out = ([dataset.scanned[i].photo for i in part] for part in parts)
    return rest, _mixed(held_out, run.seed)


def _mixed(photos: list[Photo], seed: int) -> list[Photo]:
    """In a drawn order: a night meets its kinds mixed, and its budget of text grows over time."""
    order = np.random.default_rng(seed).permutation(len(photos))
    return [photos[n] for n in order]


def _train(photos: Sequence[Photo], out: Path, run: _Run) -> None:
    kept = out / "epoch.safetensors"
    with _linked(photos) as folder, listener(console) as told:
        train(
            folder,
            preset=run.preset,
            policy=run.policy,
            out=out,
            start_weights=run.settings.start_weights,
            device=resolve(run.settings.device).type,
            seed=run.seed,
            limits=decode_limits(run.settings),
            progress=told,
            checkpoints=FileCheckpoints(kept, 60 * run.minutes),
        )
    kept.unlink()


@contextmanager
def _linked(photos: Sequence[Photo]) -> Iterator[Path]:
    """A folder that shows some photos under their names."""
    with tempfile.TemporaryDirectory(prefix="moderation-training-") as name:
        for photo in photos:
            link = Path(name) / photo.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(photo.path.resolve())
        yield Path(name)


def _decided(night: Night, predictor: Predictor, policy: Policy, *, screens: bool) -> Effect:
    cut_off = predictor.card.cut_offs.pass_confidence
    outcomes = []
    for judged in night.judged:
        found = judged.screens if screens else None
        verdict = decide(judged.scores, pass_confidence=cut_off, policy=policy, screens=found)
        label = judged.photo.category.split("/")[0]
        outcomes.append(
            Outcome(judged.photo.category, label in policy.violations, verdict.decision)
        )
    return effect(outcomes)


def _print(nights: dict[str, Night], predictor: Predictor, run: _Run, trained: int) -> None:
    effects = {
        name: _decided(night, predictor, run.policy, screens=name != WITHOUT)
        for name, night in nights.items()
    }
    machine = f"{describe(resolve(run.settings.device))}, {os.cpu_count()} cores"
    card = predictor.card
    title = (
        f"{len(nights[WITHOUT].judged)} photos held out, {trained} to train with; {card.preset}, "
        f"start weights: {card.start_weights.kind}, {card.start_weights.detail[:40]}; "
        f"{run.preset.epochs} epochs; cut-off {card.cut_offs.pass_confidence}; {machine}"
    )
    table = Table("", *effects, title=title)
    table.add_row("violations not passed", *(str(e.recall) for e in effects.values()))
    for category in effects[WITHOUT].by_category:
        cells = (str(e.by_category[category]) for e in effects.values())
        table.add_row(f"  {category}", *cells)
    table.add_row("review rate", *(str(e.reviewed) for e in effects.values()))
    table.add_row("normal photos in review", *(str(e.false_review) for e in effects.values()))
    table.add_row("violations among the passed", *(str(e.leak) for e in effects.values()))
    read = (sum(j.was_read for j in n.judged) / max(len(n.judged), 1) for n in nights.values())
    table.add_row("photos read for text", *(f"{100 * part:.1f} %" for part in read))
    per_photo = ((n.cpu_seconds / len(n.judged) * 1e3) for n in nights.values())
    table.add_row("processor time a photo", *(f"{ms:.0f} ms" for ms in per_photo))
    console.print(table)


if __name__ == "__main__":
    try:
        typer.run(main)
    except TimeUp as stopped:
        console.print(str(stopped))
        sys.exit(1)
