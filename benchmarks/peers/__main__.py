"""`python -m benchmarks.peers --data FOLDER`: the same photos judged by four systems in turn.

The article's loop (with one and with all threads), Ray Data, Daft and the nightly run get the same
bytes from one S3 server and the same weights, and write their verdicts into one database, each in
a process of its own. The measured part begins when a process, with its libraries loaded and its
engine started, asks for the first photo, and ends with the last committed verdict.
"""

import importlib.util
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import structlog
import torch
import typer
from rich.console import Console

from benchmarks.calibration import images_per_second
from benchmarks.peers import chart, tables
from benchmarks.peers.figures import CEILING, OURS, Result
from benchmarks.peers.plan import NAMES, PEERS, Plan, Version
from benchmarks.peers.processes import run_case
from benchmarks.real_photos import MIXTURE, enlarged_photos
from benchmarks.setup import BenchShop, bench_shop
from ml.models.checkpoint import load_checkpoint
from ml.models.predictor import resolve_device
from ml.models.training.preset import load_preset
from ml.vision.images.preprocess import ARTICLE

PREFIX = "peers/"
INSTALL = ".venv/bin/uv sync --frozen --all-extras --group peers"

console = Console(width=110)


def main(
    *,
    data: Annotated[Path, typer.Option(help="Folder of real photos.", exists=True)],
    photos: Annotated[int, typer.Option(help="Photos.", min=32)] = 120,
    rounds: Annotated[int, typer.Option(help="Rounds.", min=1)] = 3,
    systems: Annotated[str, typer.Option(help="By commas.")] = ",".join((*PEERS, OURS)),
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a trained version, in place of random weights; repeatable."),
    ] = None,
    ours: Annotated[
        list[str] | None,
        typer.Option(help="A variant of ours, MODERATION_NAME=VALUE,...; repeatable."),
    ] = None,
    screens: Annotated[bool, typer.Option(help="Ours with the screens, too.")] = True,
    bf16: Annotated[bool, typer.Option(help="Ray Data and Daft in bfloat16, too.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the JSON lines, too.")
    ] = None,
    chart_file: Annotated[
        Path | None, typer.Option("--chart", help="File for the bar chart: .svg or .png.")
    ] = None,
) -> None:
    """Measure every system once a round, in turn, and print the ratios."""
    chosen = systems.split(",")
    _check_installed(chosen)
    plan = Plan(chosen, screens, bf16, tuple(ours or ()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    structlog.configure(processors=[_drop_event])
    contents = list(enlarged_photos(data, photos))
    write = _writer(json_file)
    summary = _machine() | {"photos": photos, "rounds": rounds, "mixture": MIXTURE}
    write(summary)
    with bench_shop() as shop:
        keys = shop.upload(PREFIX, contents, photos)
        results: list[Result] = []
        versions = _versions(shop, model or [])
        for number, version in itertools.product(range(rounds), versions):
            shop.promote(Path(version.folder))
            for case in plan.cases(version, PREFIX, keys, ARTICLE.crop):
                with console.status(f"round {number + 1}: {case.name}, {version.crop} px"):
                    results.append(run_case(shop, case, number))
                write(asdict(results[-1]) | {"load": os.getloadavg()[0]})
    measured = [result for result in results if result.system != CEILING]
    tables.print_results(console, measured, [r for r in results if r.system == CEILING])
    if chart_file is not None:
        chart.draw(chart.bars(measured), chart.title(summary), chart_file)


def _check_installed(systems: list[str]) -> None:
    """Exit if a system is unknown or not installed."""
    unknown = set(systems) - {*PEERS, OURS}
    missing = [name for name in NAMES if name in systems and not importlib.util.find_spec(name)]
    if unknown or missing:
        console.print(f"[red]not installed: {', '.join([*sorted(unknown), *missing])}[/red]")
        console.print(f"install the peers: {INSTALL}, or choose others by --systems")
        raise typer.Exit(1)


def _drop_event(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


def _writer(file: Path | None) -> Callable[[dict[str, object]], None]:
    if file is not None:
        file.write_text("", encoding="utf-8")

    def write(line: dict[str, object]) -> None:
        text = json.dumps(line)
        print(text)
        if file is not None:
            with file.open("a", encoding="utf-8") as opened:
                opened.write(text + "\n")

    return write


def _machine() -> dict[str, object]:
    device = resolve_device("auto")
    name = "CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
    return {
        "machine": f"{name}, {os.cpu_count()} cores",
        "calibration": images_per_second(),
        "load_before": os.getloadavg()[0],
    }


def _versions(shop: BenchShop, folders: list[Path]) -> list[Version]:
    """Promote the versions of a round: those of the folders, or random ones of both sizes."""
    if not folders:
        for spec in (ARTICLE, load_preset("fast").preprocessing):
            folders = [*folders, shop.random_version(spec, seed=0)]
    return [
        Version(shop.promote(folder), str(folder), load_checkpoint(folder).card.preprocessing.crop)
        for folder in folders
    ]


if __name__ == "__main__":
    typer.run(main)
