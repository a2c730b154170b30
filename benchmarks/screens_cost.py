"""`python -m benchmarks.screens_cost`: processor time of a nightly run with screens versus without.

Both runs score and write back on temporary servers, with photos of phone size, on copies of one
database. The processor time is that of the scoring process and of its decode workers.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import structlog
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks import photos as pictures
from benchmarks.calibration import images_per_second
from benchmarks.processor_time import processor_seconds
from benchmarks.setup import BenchShop, bench_shop
from ml.models.training.preset import load_preset
from ml.moderation.nightly.score_shard import score_shard
from ml.moderation.nightly.write_back import write_back
from ml.policy.schema import load_policy
from ml.storage import audit_runs
from ml.storage.connections import open_connections
from ml.storage.database import in_transaction

TARGET_RATIO = 1.5  # maximum cost, as a multiple of a run without screens
STAGES = ("decode", "forward", "write")
SCREENS = ("sharpness", "codes", "text", "duplicates")

console = Console(width=None if Console().is_terminal else 140)


@dataclass(frozen=True)
class RunCost:
    """Seconds of one run; `stages` are busy seconds, summed over threads.

    `device` says what computed the scores.
    """

    cpu: float
    wall: float
    stages: dict[str, float]
    device: str


def main(
    photos: Annotated[int, typer.Option(help="Photos of a run.", min=1)] = 200,
    rounds: Annotated[int, typer.Option(help="Runs of each kind.", min=1)] = 3,
    data: Annotated[
        Path | None, typer.Option(help="Folder of real photos with manifest.csv; none: rendered.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a trained version; none: `fast`, random weights.")
    ] = None,
) -> None:
    """Measure both kinds of runs in turns, and print the ratios."""
    structlog.configure(processors=[_drop_event])
    load = os.getloadavg()[0]
    speed = images_per_second()
    mixture, contents = pictures.MIXTURE, list(pictures.phone_mixture(photos)) if not data else []
    if data:
        mixture, contents = pictures.REAL, pictures.real_phone_photos(data, photos)
    photos = len(contents)
    costs: dict[bool, list[RunCost]] = {False: [], True: []}
    with bench_shop() as shop:
        shop.upload("cost/", contents, photos)
        rules = load_policy(shop.settings.policy_file).screens
        shop.promote(model or shop.random_version(load_preset("fast").preprocessing, seed=0))
        for number in range(rounds + 1):
            for screens in (False, True):
                run = _time_run(shop, screens=screens)
                if number:  # the first round also loads libraries
                    costs[screens].append(run)
    console.print(
        f"{costs[True][0].device}, {os.cpu_count()} cores; ResNet18 at 224 px before and after "
        f"{speed:.1f}, {images_per_second():.1f} images/s; load before the start {load:.1f}; "
        f"budget_share {rules.text.budget_share}, long_side {rules.long_side}"
    )
    _print_table(costs, photos, mixture)


def _drop_event(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


def _time_run(shop: BenchShop, *, screens: bool) -> RunCost:
    with shop.database_copy("cost") as url:
        settings = shop.settings.model_copy(update={"database_url": SecretStr(url)})
        connections = open_connections(settings)
        try:
            shard = replace(shop, settings=settings, connections=connections).start_run(
                "cost", "cost/", screens=screens
            )
            start, cpu = time.monotonic(), processor_seconds()
            score_shard(shard, settings=settings, connections=connections)
            write_back("cost", settings=settings, connections=connections)
            seconds = processor_seconds() - cpu, time.monotonic() - start
            run = in_transaction(connections.engine, audit_runs.load, shard.run_id)
            stages = in_transaction(connections.engine, audit_runs.seconds_of, shard.run_id)
        finally:
            connections.engine.dispose()
    return RunCost(*seconds, stages, run.device)


def _print_table(costs: dict[bool, list[RunCost]], photos: int, mixture: str) -> None:
    table = Table("", "cpu", "wall", *STAGES, *SCREENS, title=f"ms a photo: {mixture}")
    for screens, runs in costs.items():
        seconds = [median(t.cpu for t in runs), median(t.wall for t in runs)]
        names = [*STAGES, *(f"screen_{name}" for name in SCREENS)]
        seconds += [median(t.stages.get(name, 0.0) for t in runs) for name in names]
        cells = (f"{1e3 * value / photos:.1f}" for value in seconds)
        table.add_row("with screens" if screens else "without", *cells)
    console.print(table)
    for figure in ("cpu", "wall"):
        ratios = [
            getattr(with_them, figure) / getattr(without, figure)
            for without, with_them in zip(costs[False], costs[True], strict=True)
        ]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        word = "within" if median(ratios) <= TARGET_RATIO else "over"
        console.print(
            f"{figure} time, with screens over without, {len(ratios)} rounds of {photos} photos: "
            f"{shown}; median {median(ratios):.2f} ({word} {TARGET_RATIO})"
        )


if __name__ == "__main__":
    typer.run(main)
