"""`python -m benchmarks.scale_out`: cost of a nightly run without the model, as it grows."""

import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Annotated

import psutil
import structlog
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.cost import Cost
from benchmarks.scale_bucket import fill_and_list
from benchmarks.scale_nightly_run import run_steps
from benchmarks.scale_rows import fill_old_rows
from benchmarks.setup import BenchShop, bench_shop
from devtools.embedded.postgres import EmbeddedPostgres
from devtools.embedded.process import find_processes
from ml.vision.images.preprocess import ARTICLE

console = Console()


def main(
    nights: Annotated[
        str, typer.Option(help="Photos of each run, comma-separated.")
    ] = "1000,10000,100000",
    rows: Annotated[int, typer.Option(help="Old photos in the database; 0: none.")] = 10_000_000,
    again: Annotated[int, typer.Option(help="Photos of the run with the old ones.")] = 10_000,
    keys: Annotated[int, typer.Option(help="Keys in the bucket; 0: none.")] = 1_000_000,
    put_seconds: Annotated[float, typer.Option(help="Time limit for putting them.")] = 1800.0,
) -> None:
    """Measure on temporary servers, and print tables and a JSON line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    structlog.configure(processors=[_drop_event])
    before = os.getloadavg()[0]
    with bench_shop() as shop:
        shop.champion(ARTICLE, seed=0)
        servers = _servers(shop)
        measured = {
            f"{int(size):,} photos": run_steps(shop, servers, f"run-{size}", int(size))
            for size in nights.split(",")
            if size
        }
        gib = 0.0
        if rows:
            gib = fill_old_rows(shop, rows)
            name = f"{again:,} photos with {rows:,} old ones"
            measured[name] = run_steps(shop, servers, "run-again", again)
        there, bucket = fill_and_list(shop, servers, keys, seconds=put_seconds)
    load = f"{os.cpu_count()} cores; load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    _print_table(measured, f"{load}; old rows {gib:.2f} GiB; {there:,} keys in the bucket")
    for name, cost in bucket.items():
        console.print(f"{name}: {cost.busy:.1f} CPU seconds ({cost.wall:.1f} of wall)")
    costs = {name: {s: asdict(c) for s, c in steps.items()} for name, steps in measured.items()}
    keyed = {"keys": there} | {name: asdict(cost) for name, cost in bucket.items()}
    print(json.dumps({"load": load, "gib": gib, "bucket": keyed, "nights": costs}))


def _servers(shop: BenchShop) -> list[psutil.Process]:
    """Return PostgreSQL's and SeaweedFS's processes."""
    folder = shop.settings.data_dir
    pid_file = EmbeddedPostgres(folder / "postgres").cluster_dir / "pgdata" / "postmaster.pid"
    postgres = psutil.Process(int(pid_file.read_text(encoding="utf-8").split()[0]))
    config = f"-s3.config={(folder / 'seaweedfs' / 's3.json').resolve()}"
    return [postgres, *find_processes(lambda command: config in command)]


def _drop_event(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


def _print_table(nights: dict[str, dict[str, Cost]], caption: str) -> None:
    steps = ("discover", "write_back", "reconcile", "report")
    table = Table("CPU seconds (wall)", *steps, "together", caption=caption)
    for name, costs in nights.items():
        cells = [f"{costs[step].busy:.2f} ({costs[step].wall:.1f})" for step in steps]
        table.add_row(name, *cells, f"{sum(cost.busy for cost in costs.values()):.2f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
