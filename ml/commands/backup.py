"""`python -m ml backup` and `restore`: schema and model bucket into a folder, and back."""

from pathlib import Path
from typing import Annotated

import typer

from ml.commands.opened import console, opened

app = typer.Typer()  # without a name: its commands stand beside the main ones


@app.command()
def backup(
    to: Annotated[Path, typer.Option(help="A new folder; it will hold photos: keep it private.")],
) -> None:
    """Copy the schema `moderation` and the model bucket into a folder."""
    from ml.backup.take import take_backup  # noqa: PLC0415 - `--help` waits for no library

    with opened() as (_, connections):
        about = take_backup(to, connections)
        console.print(
            f"{to}: schema at revision {about.revision}, {about.objects:,} objects, "
            f"{about.bytes:,} bytes"
        )


@app.command()
def restore(
    source: Annotated[Path, typer.Option("--from", help="The folder of a backup.")],
) -> None:
    """Restore a backup into a database without the schema; nothing is written over."""
    from ml.backup.restore import restore_backup  # noqa: PLC0415 - as above

    with opened() as (_, connections):
        about = restore_backup(source, connections)
        console.print(
            f"restored what was there at {about.taken_at:%Y-%m-%d %H:%M:%S %Z}; champion: "
            f"{about.champion or 'none'}"
        )
