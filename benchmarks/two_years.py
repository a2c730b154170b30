"""`python -m benchmarks.two_years`: rows that each statement visits in a database of two years."""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks.setup import BenchShop, bench_shop
from benchmarks.two_years_nightly_run import NightlyRun, make_nightly_run
from benchmarks.two_years_reviews import pages, retention, retraining, reviews
from benchmarks.two_years_rows import STATISTICS, OldShop, prepare_old_shop, start_of_today
from benchmarks.visited_rows import Execution, record_executions
from ml.vision.images.preprocess import ARTICLE

PHOTOS, RUNS, TASK_EVERY = 10_000_000, 700, 16


def main(
    *,
    scale: Annotated[float, typer.Option(help="Share of 10 million photos and 625,000 tasks.")] = 1,
    photos: Annotated[int, typer.Option(help="New photos of the run.")] = 2000,
    statistics: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(STATISTICS),
    generic: Annotated[bool, typer.Option(help="Plan without the parameters.")] = False,
    shown: Annotated[int, typer.Option(help="Statements of each table.")] = 25,
    plans: Annotated[Path | None, typer.Option(help="Write the worst plans, as JSON.")] = None,
) -> None:
    """Run a nightly run, reviews, pages, retraining and retention with each kind of statistics."""
    structlog.configure(processors=[_drop_event])
    old = OldShop(RUNS, round(PHOTOS * scale / RUNS), start_of_today(), TASK_EVERY)
    found: dict[str, list[Execution]] = {}
    with bench_shop() as shop:
        model_hash = shop.champion(ARTICLE, seed=0)
        _stop_autovacuum(shop)
        for kind in statistics.split(","):
            prepare_old_shop(shop.connections.engine, old, kind)
            nightly_run = make_nightly_run(
                shop.settings, shop.connections, old, f"nightly_run-{kind}", photos=photos
            )
            found[kind] = _run_all(nightly_run, model_hash, generic=generic)
            _print_table(kind, found[kind], shown)
    if plans is not None:
        plans.write_text(json.dumps({k: [asdict(e) for e in v] for k, v in found.items()}))


def _stop_autovacuum(shop: BenchShop) -> None:
    """Let nothing else make statistics."""
    with shop.connections.engine.connect() as connection:
        automatic = connection.execution_options(isolation_level="AUTOCOMMIT")
        automatic.execute(text("alter system set autovacuum = off"))
        automatic.execute(text("select pg_reload_conf()"))


def _run_all(nightly_run: NightlyRun, model_hash: str, *, generic: bool) -> list[Execution]:
    steps: dict[str, Callable[[NightlyRun], None]] = {
        "nightly run": partial(NightlyRun.run, model_hash=model_hash),
        "last steps again": NightlyRun.finish,
        "reviews": reviews,
        "pages": pages,
        "retraining": retraining,
        "retention": retention,
    }
    nightly_run.insert_rows()
    with record_executions(nightly_run.connections.engine, generic=generic) as executions:
        for name, step in steps.items():
            began = time.monotonic()
            step(nightly_run)
            print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
    return executions


def _print_table(kind: str, executions: list[Execution], shown: int) -> None:
    """The statements that visit most rows in one execution."""
    by_statement: dict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        by_statement[execution.statement].append(execution)
    worst = {name: max(each, key=lambda e: e.rows) for name, each in by_statement.items()}
    table = Table("most rows", "pages", "ms", "times", "statement", title=f"{kind} statistics")
    for name in sorted(worst, key=lambda n: -worst[n].rows)[:shown]:
        w = worst[name]
        table.add_row(
            f"{w.rows:,}", f"{w.blocks:,}", f"{w.milliseconds:.0f}",
            str(len(by_statement[name])), name[:90],
        )  # fmt: skip
    Console(width=160).print(table)


def _drop_event(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    typer.run(main)
