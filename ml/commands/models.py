"""`python -m ml rollback`, `history`, `replay`: which version was, is and shall be champion."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ml.commands.opened import console, opened
from ml.connections import Connections
from ml.errors import SettingsError
from ml.model import history as kept
from ml.storage.database import in_transaction

app = typer.Typer()  # without a name: its commands stand beside the main ones


@app.command()
def rollback(
    version: Annotated[
        str, typer.Argument(help='"previous", a model hash, or its first 8 digits or more.')
    ],
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")],
) -> None:
    """Make an earlier champion the champion again; the running night keeps its own."""
    from ml.retraining.rollback import rollback as run  # noqa: PLC0415 - `--help` waits for no torch

    with opened() as (settings, connections):
        champion = run(
            version, by="command line", reason=reason, settings=settings, connections=connections
        )
        console.print(f"champion: {champion}")


@app.command()
def history(
    at: Annotated[str | None, typer.Option(help="Which version was champion then (ISO 8601).")] = (
        None
    ),
    photo: Annotated[str | None, typer.Option(help="Which versions judged this key.")] = None,
) -> None:
    """List every switch of the champion; or who was champion then, or who judged a photo."""
    moment = _moment(at) if at else None
    with opened() as (_, connections):
        if moment is not None:
            _print_champion(moment, connections)
        if photo is not None:
            _print_judged(photo, connections)
        if moment is None and photo is None:
            _print_promotions(connections)


def _moment(given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise SettingsError(f"--at {given} is no ISO 8601 time") from error
    if moment.tzinfo is None:
        raise SettingsError(f"--at {given} has no time zone: add one, such as +08:00")
    return moment


def _print_champion(moment: datetime, connections: Connections) -> None:
    found = in_transaction(connections.engine, lambda c: kept.champion_at(c, moment))
    console.print(f"champion at {moment.isoformat()}: {found or 'none yet'}")


def _print_judged(key: str, connections: Connections) -> None:
    rows = in_transaction(connections.engine, lambda c: kept.judged_by(c, key))
    table = Table("run", "window from", "to", "version", "decision", "judged")
    for row in rows:
        table.add_row(
            escape(row.run_id),
            f"{row.window.start:%Y-%m-%d %H:%M}",
            f"{row.window.end:%Y-%m-%d %H:%M}",
            row.model_hash,
            row.decision or row.outcome or "undecided",
            f"{row.judged_at:%Y-%m-%d %H:%M:%S}" if row.judged_at else "",
        )
    console.print(table if rows else f"no run has seen {escape(key)}")


def _print_promotions(connections: Connections) -> None:
    table = Table("when", "what", "version", "before", "by", "reason")
    for row in in_transaction(connections.engine, kept.promotions):
        table.add_row(
            f"{row.promoted_at:%Y-%m-%d %H:%M:%S}",
            row.kind,
            row.model_hash,
            row.previous_hash[:12] if row.previous_hash else "",
            escape(row.promoted_by),
            escape(row.reason),
        )
    console.print(table)


@app.command()
def replay(
    run_id: Annotated[str, typer.Option("--run", help="A reconciled audit run.")],
) -> None:
    """Judge a past run again from its records; exit code 1 where it comes out otherwise."""
    from ml.audit.replay import replay as run  # noqa: PLC0415 - `--help` waits for no torch

    with opened() as (settings, connections):
        result = run(run_id, settings=settings, connections=connections)
        console.print(str(result), highlight=False, markup=False)
