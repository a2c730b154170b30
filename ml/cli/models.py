"""`python -m ml models`: list, promote, roll back and export versions, and show their history."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from ml.cli.context import console, opened, print_table, query
from ml.core.format import percent, short_hash
from ml.core.window import parse_time
from ml.storage.model_versions import champion_at, list_promotions
from ml.storage.read.model_listing import load_overview

app = typer.Typer(help="Model versions: list, promote, roll back, export.", no_args_is_help=True)

_Reason = Annotated[str, typer.Option(help="Why; kept in the release history.")]


@app.command("list")
def list_command() -> None:
    """List the registered model versions, newest first."""
    columns = (
        "version",
        "registered",
        "architecture",
        "preset",
        "initial weights",
        "accuracy",
        "champion",
    )
    rows = (
        (
            version.model_hash,
            version.registered_at,
            version.card["architecture"],
            version.card["preset"],
            version.card["pretrained_weights"]["kind"],
            percent(version.card["metrics"]["accuracy"]),
            "yes" if version.is_champion else None,
        )
        for version in query(load_overview).versions
    )
    print_table(*columns, rows=rows)


@app.command("promote")
def promote_command(
    model_hash: Annotated[str, typer.Argument(help="Hash of a registered model version.")],
    reason: _Reason,
) -> None:
    """Make a registered model version the champion, if it gives usable scores."""
    from ml.models import registry
    from ml.models.load_check import check_version

    with opened() as (_, connections):
        check_version(model_hash, store=connections.models, cache=connections.model_cache)
        registry.promote(model_hash, engine=connections.engine, by="command line", reason=reason)
        console.print(f"champion: {model_hash}")


@app.command("rollback")
def rollback_command(
    version: Annotated[
        str, typer.Argument(help='"previous", a model hash, or its first 8 digits or more.')
    ],
    reason: _Reason,
) -> None:
    """Make an earlier champion the champion again; a run in progress keeps its model."""
    from ml.learning.retrain.promote import rollback as run

    with opened() as (settings, connections):
        champion = run(
            version, by="command line", reason=reason, settings=settings, connections=connections
        )
        console.print(f"champion: {champion}")


@app.command("history")
def history_command() -> None:
    """List every promotion and rollback."""
    rows = (
        (p.promoted_at, p.kind, p.model_hash, short_hash(p.previous_hash), p.promoted_by, p.reason)
        for p in query(list_promotions)
    )
    print_table("time", "action", "version", "before", "by", "reason", rows=rows)


@app.command("champion-at")
def champion_at_command(
    time: Annotated[str, typer.Argument(help="ISO 8601 time with time zone.")],
) -> None:
    """Print which model version was champion at a time."""
    moment = parse_time(time)
    found = query(lambda c: champion_at(c, moment))
    console.print(f"champion at {moment.isoformat()}: {found or 'none yet'}")


@app.command("export")
def export_command(
    version: Annotated[
        str, typer.Argument(help='"champion", a model hash, or its first 8 digits or more.')
    ],
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX, too, checked first.")] = False,
    license_id: Annotated[
        str, typer.Option("--license", help="Licence of the weights, as model hubs name it.")
    ] = "other",
) -> None:
    """Write a version's weights, card and README for other tools."""
    from ml.models import registry
    from ml.models.export.export_version import export_version
    from ml.storage.database import in_transaction

    def find(connection: Connection) -> str:
        if version == "champion":
            return registry.champion_hash(connection)
        return registry.find_version(connection, version)

    with opened() as (_, connections):
        exported = export_version(
            in_transaction(connections.engine, find),
            folder,
            store=connections.models,
            cache=connections.model_cache,
            onnx=onnx,
            license_id=license_id,
        )
    console.print(f"{exported.model_hash} in {folder}: {', '.join(exported.files)}")
    if exported.largest_difference is not None:
        console.print(f"ONNX: logits differ from the probe by {exported.largest_difference:.2g}")
