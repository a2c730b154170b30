"""The command line `python -m ml`: parses arguments, calls the library, prints; no logic.

Commands import torch and other heavy modules when they run, so that `--help` is fast.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ml.cli import blocklist, keys, labels, models, operations, photos, pretrain
from ml.cli.context import console, opened
from ml.core.errors import ModerationError
from ml.core.logging import configure_logs
from ml.core.settings import Settings
from ml.policy.schema import load_policy
from ml.vision.images.decode import decode_limits

app = typer.Typer(
    help="Moderation of review photos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(operations.app)
app.add_typer(models.app, name="models")
app.add_typer(pretrain.app, name="pretrain")
app.add_typer(photos.app, name="photos")
app.add_typer(labels.app, name="labels")
app.add_typer(blocklist.app, name="blocklist")
app.add_typer(keys.app, name="keys")


@app.command()
def migrate(
    commerce_reference: Annotated[
        bool, typer.Option(help="Also create the reference commerce table (demo and tests only).")
    ] = False,
) -> None:
    """Create or update the schema `moderation` and the model bucket."""
    from ml.storage.database import COMMERCE_REFERENCE, MODERATION
    from ml.storage.database import migrate as run

    with opened() as (_, connections):
        run(connections.engine, MODERATION)
        if commerce_reference:
            run(connections.engine, COMMERCE_REFERENCE)
        connections.models.create()
        console.print("schema and model bucket are up to date")


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with one subfolder of photos per class.")],
    *,
    preset: Annotated[
        str, typer.Option(help="Preset of config/training, or a preset file.")
    ] = "fast",
    promote: Annotated[bool, typer.Option(help="Make the result the champion.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of split, augmentation and head.")] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Train as many epochs as fit into this time; linear_probe: none by default.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write weights, card and plots to this folder.")
    ] = None,
) -> None:
    """Train a model version on a folder of labeled photos and register it."""
    from ml.models import registry
    from ml.models.features import FeatureCache
    from ml.models.predictor import resolve_device
    from ml.models.training.preset import load_preset
    from ml.models.training.progress import listener
    from ml.models.training.train import train as run

    with opened() as (settings, connections):
        with (
            tempfile.TemporaryDirectory(dir=_scratch(settings)) as scratch,
            listener(console) as progress,
        ):
            folder = out or Path(scratch)
            run(
                data,
                preset=load_preset(preset),
                policy=load_policy(settings.policy_file),
                out=folder,
                pretrained_weights=settings.pretrained_weights,
                device=str(resolve_device(settings.device)),
                seed=seed,
                limits=decode_limits(settings),
                progress=progress,
                minutes=minutes,
                cache=FeatureCache(settings.data_dir / "features.safetensors"),
            )
            registered = registry.register(
                folder, engine=connections.engine, store=connections.models
            )
        console.print(f"registered model version {registered}")
        if promote:
            reason = f"python -m ml train --preset {preset} --promote"
            registry.promote(
                registered, engine=connections.engine, by="command line", reason=reason
            )
            console.print("it is now the champion")


def _scratch(settings: Settings) -> Path:
    folder = settings.data_dir / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    """Run a command; an error of this project prints one message and exits with code 1."""
    configure_logs()
    try:
        app()
    except ModerationError as error:
        name = type(error).__name__
        Console(stderr=True).print(f"[red]{name}:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)
