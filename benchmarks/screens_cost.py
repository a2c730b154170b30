"""`python -m benchmarks.screens_cost`: a night with all screens beside the same one without.

Both are whole: judged and written back, on servers of their own, with photos of a phone's size.
Processor time is that of the judging process, which other work on the machine moves less than the
wall clock; `python -m benchmarks.judge` compares by the wall clock, on a machine that is idle.
"""

import os
import time
from dataclasses import dataclass
from statistics import median
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import photos as pictures
from benchmarks.setup import BenchShop, bench_shop
from ml.audit.judge import judge
from ml.audit.write_back import write_back
from ml.inference.device import describe, resolve
from ml.policy.policy import load_policy
from ml.storage import audit_runs
from ml.storage.database import in_transaction
from ml.training.preset import load_preset

TARGET = 2.0  # times the night without screens
STAGES = ("decode", "forward", "write")
SCREENS = ("sharpness", "codes", "text", "duplicates")

console = Console()


@dataclass(frozen=True)
class Took:
    """Seconds of one night; `stages` are busy seconds, summed over threads."""

    processor: float
    wall: float
    stages: dict[str, float]


def main(
    photos: Annotated[int, typer.Option(help="Photos of a night.", min=1)] = 200,
    rounds: Annotated[int, typer.Option(help="Nights of each kind.", min=1)] = 3,
) -> None:
    """Measure both nights in turns and print the ratios."""
    structlog.configure(processors=[_drop])
    load = os.getloadavg()[0]
    took: dict[bool, list[Took]] = {False: [], True: []}
    with bench_shop() as shop:
        shop.upload("cost/", pictures.phone_mixture(photos), photos)
        machine = f"{describe(resolve(shop.settings.device))}, {os.cpu_count()} cores"
        rules = load_policy(shop.settings.policy_file).screens
        spec = load_preset("fast").preprocessing
        for number in range(rounds + 1):
            shop.champion(spec, seed=number)
            for screens in (False, True):
                night = _night(shop, f"cost {number} {screens}", screens=screens)
                if number:  # the first round loads libraries
                    took[screens].append(night)
    console.print(
        f"{machine}; load before the start {load:.1f}; budget_share "
        f"{rules.text.budget_share}, long_side {rules.long_side}"
    )
    _print(took, photos)


def _drop(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


def _night(shop: BenchShop, run_id: str, *, screens: bool) -> Took:
    shop.reset_statuses()
    shard = shop.begin_night(run_id, "cost/", screens=screens)
    start, processor = time.monotonic(), time.process_time()
    judge(shard, settings=shop.settings, connections=shop.connections)
    write_back(run_id, settings=shop.settings, connections=shop.connections)
    seconds = time.process_time() - processor, time.monotonic() - start
    return Took(
        *seconds,
        in_transaction(shop.connections.engine, lambda c: audit_runs.seconds_of(c, shard.run_id)),
    )


def _print(took: dict[bool, list[Took]], photos: int) -> None:
    table = Table(
        "", "processor", "wall", *STAGES, *SCREENS, title=f"ms a photo: {pictures.MIXTURE}"
    )
    for screens, nights in took.items():
        seconds = [median(t.processor for t in nights), median(t.wall for t in nights)]
        names = [*STAGES, *(f"screen_{name}" for name in SCREENS)]
        seconds += [median(t.stages.get(name, 0.0) for t in nights) for name in names]
        cells = (f"{1e3 * value / photos:.1f}" for value in seconds)
        table.add_row("with screens" if screens else "without", *cells)
    console.print(table)
    for figure in ("processor", "wall"):
        ratios = [
            getattr(with_them, figure) / getattr(without, figure)
            for without, with_them in zip(took[False], took[True], strict=True)
        ]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        word = "within" if median(ratios) <= TARGET else "over"
        console.print(
            f"{figure} time, with screens over without, {len(ratios)} rounds of {photos} photos: "
            f"{shown}; median {median(ratios):.2f} ({word} {TARGET:.0f})"
        )


if __name__ == "__main__":
    typer.run(main)
