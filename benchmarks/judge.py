"""`python -m benchmarks.judge`: the judge beside the article's loop, and its memory."""

import json
import os
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import structlog
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import photos as pictures
from benchmarks.article_loop import run_article_loop
from benchmarks.measured import Measured
from benchmarks.memory import EARLY_PHOTOS, Memory, measure_memory
from benchmarks.setup import BenchShop, bench_shop
from ml.audit.judge import judge
from ml.audit.write_back import write_back
from ml.errors import ReconciliationError
from ml.images.preprocess import ARTICLE
from ml.inference.device import describe, resolve
from ml.storage import audit_runs
from ml.storage.database import in_transaction
from ml.training.preset import load_preset

TARGET = 3.0  # times the article's loop, the least that is asked of the judge as shipped
FLAT = 1.10  # more growth than this is not flat: the allocator alone moves it by a few per cent
DISTINCT_SMALL = 300
IDLE = 0.25  # of the cores busy before the start; more, and the ratio says little
DOUBLE = 2.0  # times the night without screens: about the most that they may cost
SCREENED = ", screens"
SHIPPED = "fast"  # the preset of `make demo` and of the command line

console = Console()


def main(
    photos: Annotated[int, typer.Option(help="Photos of the throughput runs.", min=1)] = 300,
    rounds: Annotated[int, typer.Option(help="Rounds; the fastest counts.", min=1)] = 3,
    memory: Annotated[
        str, typer.Option(help="Photos of each memory run, by commas; empty for none.")
    ] = "1000,5000,20000",
    screens: Annotated[
        bool, typer.Option(help="Judge with the policy's screens, too, beside without them.")
    ] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the JSON line, beside the output.")
    ] = None,
) -> None:
    """Measure throughput and memory on servers of their own, and print both."""
    sizes = [int(size) for size in memory.split(",") if size]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end, too
    structlog.configure(processors=[_drop])  # the bars say what goes on
    load = os.getloadavg()[0]
    with bench_shop() as shop:
        machine = f"{describe(resolve(shop.settings.device))}, {os.cpu_count()} cores"
        console.print(f"{machine}; load before the start {load:.1f}")
        if load > IDLE * (os.cpu_count() or 1):
            console.print("[red]other work is running: do not quote the ratio[/red]")
        speeds = _throughput(shop, photos, rounds, screens=screens)
        memories = _memories(shop, sizes) if sizes else []
    _print_throughput(speeds)
    if memories:
        _print_memory(memories)
    line = json.dumps(_result(machine, load, speeds, memories))
    print(line)
    if json_file is not None:
        json_file.write_text(line + "\n", encoding="utf-8")


def _drop(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


def _throughput(shop: BenchShop, photos: int, rounds: int, *, screens: bool) -> list[Measured]:
    """Every side once a round, so that other work on the machine meets all of them."""
    prefix = "throughput/"
    keys = shop.upload(prefix, pictures.phone_mixture(photos), photos)
    shipped = load_preset(SHIPPED).preprocessing
    threads = sorted({1, torch.get_num_threads()})
    measured = []
    for number in range(rounds):
        article = shop.champion(ARTICLE, seed=number)
        for count in threads:
            shop.reset_statuses()
            measured.append(run_article_loop(shop, keys, article, threads=count))
        measured.append(_judge_night(shop, prefix, f"judge, article {ARTICLE.crop}", number))
        shop.champion(shipped, seed=number)
        name = f"judge, {SHIPPED} {shipped.crop}"
        measured.append(_judge_night(shop, prefix, name, number))
        if screens:
            name += SCREENED
            measured.append(_judge_night(shop, prefix, name, number, screens=True))
    return measured


def _best(rounds: list[Measured]) -> dict[str, Measured]:
    """The fastest round of each side: other work on the machine only ever adds seconds."""
    best: dict[str, Measured] = {}
    for each in rounds:
        if each.name not in best or each.wall_seconds < best[each.name].wall_seconds:
            best[each.name] = each
    return best


def _article_speed(best: dict[str, Measured]) -> float:
    """Images a second of the article's loop at its better thread count."""
    return max(m.images_per_second for name, m in best.items() if name.startswith("article"))


def _judge_night(
    shop: BenchShop, prefix: str, name: str, number: int, *, screens: bool = False
) -> Measured:
    """Judge and write back one shard; loading the model counts, listing does not.

    Raises:
        ReconciliationError: not every photo was judged.
    """
    shop.reset_statuses()
    run_id = f"{name} {number}"
    shard = shop.begin_night(run_id, prefix, screens=screens)
    start = time.monotonic()
    with console.status(name):
        counts = judge(shard, settings=shop.settings, connections=shop.connections)
        written = time.monotonic()
        write_back(run_id, settings=shop.settings, connections=shop.connections)
    end = time.monotonic()
    if counts["judged"] != shard.images:
        raise ReconciliationError(f"{counts} of {shard.images} photos; all were to be judged")
    stages = in_transaction(
        shop.connections.engine, lambda c: audit_runs.seconds_of(c, shard.run_id)
    )
    stages["load"] = written - start - stages.pop("wall")
    stages["write"] += end - written
    return Measured(name, shard.images, end - start, stages)


def _memories(shop: BenchShop, sizes: list[int]) -> list[Memory]:
    """One upload, one night; each run judges the next `size` keys of it."""
    prefix = "memory/"
    contents = pictures.small_contents(sum(sizes), DISTINCT_SMALL)
    keys = shop.upload(prefix, contents, sum(sizes))
    whole = shop.begin_night("memory", prefix)
    measured = []
    for number, size in enumerate(sizes):
        mine = keys[sum(sizes[:number]) :][:size]
        shard = replace(whole, first_key=mine[0], last_key=mine[-1], images=size)
        measured.append(measure_memory(shop, shard))
    return measured


def _print_throughput(rounds: list[Measured]) -> None:
    best = _best(rounds)
    article = _article_speed(best)
    stages = ["load", "fetch", "decode", "forward", "write"]
    screens = [s for s in ("sharpness", "codes", "text", "duplicates") if _has_screen(best, s)]
    table = Table(title=f"{rounds[0].photos} photos: {pictures.MIXTURE}")
    for title in ("", "img/s", "slowest", "times", *stages, *screens):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for name, m in best.items():
        slowest = min(r.images_per_second for r in rounds if r.name == name)
        names = [*stages, *(f"screen_{name}" for name in screens)]
        seconds = [f"{m.stages[s]:.1f}" if s in m.stages else "" for s in names]
        speed = m.images_per_second
        table.add_row(name, f"{speed:.1f}", f"{slowest:.1f}", f"{speed / article:.2f}", *seconds)
    console.print(table)
    console.print(
        "img/s: the fastest round; times: of the article's better one. Stages: busy seconds of "
        "that round, summed over threads, which overlap. Random weights.",
        highlight=False,
    )
    for name, m in best.items():
        if name.endswith(SCREENED):
            ratio = m.wall_seconds / best[name.removesuffix(SCREENED)].wall_seconds
            word = "within" if ratio <= DOUBLE else "[red]over[/red]"
            console.print(f"{name}: {ratio:.2f} times the seconds without ({DOUBLE:.0f}: {word})")
        elif name.startswith("judge"):
            times = m.images_per_second / article
            word = "reached" if times >= TARGET else "[red]missed[/red]"
            console.print(f"{name}: {times:.2f} times the article's loop ({TARGET:.0f}: {word})")


def _has_screen(best: dict[str, Measured], screen: str) -> bool:
    return any(f"screen_{screen}" in m.stages for m in best.values())


def _print_memory(memories: list[Memory]) -> None:
    table = Table(title=f"memory of a judge process, MiB ({pictures.SMALL})")
    for title in ("photos", "seconds", f"after {EARLY_PHOTOS}", "at the end", "peak"):
        table.add_column(title, justify="right")
    for m in memories:
        mebibytes = (f"{value:.0f}" for value in (m.early, m.end, m.peak))
        table.add_row(f"{m.photos:,}", f"{m.seconds:.0f}", *mebibytes)
    console.print(table)
    within, across = _growth(memories)
    word = "flat" if _is_flat(memories) else "[red]not flat[/red]"
    console.print(
        f"{word}: at the end {within:.2f} times what it was after {EARLY_PHOTOS} photos; the "
        f"highest peak {across:.2f} times that of the smallest shard (flat is up to {FLAT:.2f})"
    )


def _growth(memories: list[Memory]) -> tuple[float, float]:
    smallest = min(memories, key=lambda m: m.photos)
    within = max(m.end / m.early for m in memories)
    return within, max(m.peak for m in memories) / smallest.peak


def _is_flat(memories: list[Memory]) -> bool:
    return max(_growth(memories)) <= FLAT


def _result(
    machine: str, load: float, speeds: list[Measured], memories: list[Memory]
) -> dict[str, object]:
    best = _best(speeds)
    article = _article_speed(best)
    return {
        "machine": machine,
        "load_before": load,
        "mixture": pictures.MIXTURE,
        "times": {name: m.images_per_second / article for name, m in best.items()},
        "rounds": [asdict(s) | {"images_per_second": s.images_per_second} for s in speeds],
        "memory_mib": [asdict(m) for m in memories],
        "memory_flat": _is_flat(memories) if memories else None,
    }


if __name__ == "__main__":
    typer.run(main)
