"""The command line: `python -m ml COMMAND`. Parses, calls the library, prints; no logic.

Commands import what they need when they run: `--help` must not wait for torch.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import select

from ml.commands import backup, distil, doctor, keys, labels, serve
from ml.commands import models as versions
from ml.commands.opened import console, opened
from ml.errors import ModerationError
from ml.images.decode import decode_limits
from ml.logs import configure as configure_logs
from ml.policy.policy import load_policy
from ml.settings import Settings

app = typer.Typer(
    help="Moderation of review photos: the library's commands.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(labels.app, name="labels")
app.add_typer(versions.app)
app.add_typer(backup.app)
app.add_typer(doctor.app)
app.add_typer(serve.app)
app.add_typer(keys.app, name="keys")
app.add_typer(distil.app)


@app.command()
def migrate(
    commerce_reference: Annotated[
        bool, typer.Option(help="Also create the reference commerce table (demo and tests only).")
    ] = False,
) -> None:
    """Create or update the schema `moderation` and the model bucket."""
    from ml.storage.migrate import COMMERCE_REFERENCE, MODERATION
    from ml.storage.migrate import migrate as run

    with opened() as (_, connections):
        run(connections.engine, MODERATION)
        if commerce_reference:
            run(connections.engine, COMMERCE_REFERENCE)
        connections.models.create()
        console.print("schema and model bucket are up to date")


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with one folder of photos a class.")],
    preset: Annotated[str, typer.Option(help="Preset of config/training, or a file.")] = "fast",
    promote: Annotated[bool, typer.Option(help="Make the result the champion.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of split, augmentation and head.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Keep weights, card and plots in this folder, too.")
    ] = None,
) -> None:
    """Train a model version on a folder of labelled photos, and register it."""
    from ml.inference.device import resolve
    from ml.model import registry
    from ml.training.preset import load_preset
    from ml.training.progress import listener
    from ml.training.train import train as run

    with opened() as (settings, connections):
        with (
            tempfile.TemporaryDirectory(dir=_scratch(settings)) as scratch,
            listener(console) as told,
        ):
            trained = run(
                data,
                preset=load_preset(preset),
                policy=load_policy(settings.policy_file),
                out=out or Path(scratch),
                start_weights=settings.start_weights,
                device=str(resolve(settings.device)),
                seed=seed,
                limits=decode_limits(settings),
                progress=told,
            )
            registered = registry.register(
                trained.folder, engine=connections.engine, store=connections.models
            )
        console.print(f"registered model version {registered}")
        if promote:
            reason = f"python -m ml train --preset {preset} --promote"
            registry.promote(
                registered, engine=connections.engine, by="command line", reason=reason
            )
            console.print("it is the champion now")


@app.command("promote")
def promote_command(
    model_hash: Annotated[str, typer.Argument(help="A registered model version.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")],
) -> None:
    """Make a registered model version the champion."""
    from ml.model import registry

    with opened() as (_, connections):
        registry.promote(model_hash, engine=connections.engine, by="command line", reason=reason)
        console.print(f"champion: {model_hash}")


@app.command()
def models() -> None:
    """List the registered model versions, the newest first."""
    from ml.storage.database import in_transaction
    from ml.storage.schema import champion, model_version

    with opened() as (_, connections):
        is_champion = model_version.c.model_hash.in_(select(champion.c.model_hash))
        query = select(model_version, is_champion.label("champion")).order_by(
            model_version.c.registered_at.desc()
        )
        rows = in_transaction(connections.engine, lambda c: c.execute(query).mappings().all())
        table = Table("version", "registered", "preset", "start weights", "accuracy", "champion")
        for row in rows:
            card = row["card"]
            table.add_row(
                row["model_hash"],
                f"{row['registered_at']:%Y-%m-%d %H:%M}",
                card["preset"],
                card["start_weights"]["kind"],
                f"{card['metrics']['accuracy']:.1%}",
                "yes" if row["champion"] else "",
            )
        console.print(table)


def _scratch(settings: Settings) -> Path:
    folder = settings.data_dir / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    """Run a command; an error of ours is one readable message and exit code 1."""
    configure_logs()
    try:
        app()
    except ModerationError as error:
        name = type(error).__name__
        Console(stderr=True).print(f"[red]{name}:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)
