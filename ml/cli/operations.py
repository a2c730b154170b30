"""`python -m ml doctor`, `serve`, `replay`, `backup` and `restore`."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from ml.cli.context import configure_logs, console, opened

app = typer.Typer()  # without a name: its commands are top-level commands


@app.command()
def backup(
    to: Annotated[
        Path, typer.Option(help="New folder; it will contain photos, so keep it private.")
    ],
) -> None:
    """Copy the schema `moderation` and the model bucket into a folder."""
    from ml.operations.backup.backup import take_backup

    with opened() as (_, connections):
        manifest = take_backup(to, connections)
        console.print(
            f"{to}: schema at revision {manifest.revision}, {manifest.objects:,} objects, "
            f"{manifest.bytes:,} bytes"
        )


@app.command()
def restore(source: Annotated[Path, typer.Option("--from", help="Folder of a backup.")]) -> None:
    """Restore a backup into a database without the schema; overwrites nothing."""
    from ml.operations.backup.backup import restore_backup

    with opened() as (_, connections):
        manifest = restore_backup(source, connections)
        console.print(
            f"restored the backup of {manifest.taken_at:%Y-%m-%d %H:%M:%S %Z}; champion: "
            f"{manifest.champion or 'none'}"
        )


@app.command()
def doctor(
    predict_url: Annotated[
        str | None, typer.Option(help="Also check the /predict service at this URL.")
    ] = None,
) -> None:
    """Check settings, database, buckets, champion, device, clocks and disk; exit 1 on failure."""
    from ml.operations.doctor.runner import library_findings, show

    if not show(library_findings(predict_url=predict_url), console):
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Overrides MODERATION_SERVE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Overrides MODERATION_SERVE_PORT.")] = None,
) -> None:
    """Serve /predict with the current champion; docs/predict.md has the contract."""
    from ml.moderation.serving.app import make_server
    from ml.policy.schema import load_policy

    with opened() as (settings, connections):
        load_policy(settings.policy_file)  # fail early on an invalid file
        overrides = (("serve_host", host), ("serve_port", port))
        update = {name: value for name, value in overrides if value is not None}
        configure_logs(sys.stdout)
        logging.basicConfig(level=logging.WARNING)
        make_server(settings.model_copy(update=update), connections).run()


@app.command()
def replay(run_id: Annotated[str, typer.Option("--run", help="A reconciled nightly run.")]) -> None:
    """Compute the verdicts of a past run again from its records; exit code 1 if any differs."""
    from ml.moderation.nightly.replay import replay as run

    with opened() as (settings, connections):
        result = run(run_id, settings=settings, connections=connections)
        console.print(str(result), highlight=False, markup=False)
