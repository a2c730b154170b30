"""`python -m benchmarks.throughput`: throughput versus the baseline loop, and memory of scoring."""

import json
import os
import signal
import sys
import time
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Annotated

import structlog
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import photos as pictures
from benchmarks.baseline_loop import run_baseline_loop
from benchmarks.memory import EARLY_PHOTOS, MemoryUse, measure_memory
from benchmarks.results import Throughput
from benchmarks.setup import BenchShop, bench_shop
from ml.core.errors import ReconciliationError
from ml.models.predictor import describe_device, resolve_device
from ml.models.training.preset import load_preset
from ml.moderation.nightly.score_shard import score_shard
from ml.moderation.nightly.write_back import write_back
from ml.storage import audit_runs
from ml.storage.database import in_transaction
from ml.vision.images.preprocess import ARTICLE

TARGET_RATIO = 3.0  # minimum throughput of the default preset, as a multiple of the baseline
MAX_MEMORY_GROWTH = 1.10  # the allocator alone varies by a few per cent
SMALL_DISTINCT_PHOTOS = 300
MAX_LOAD_BEFORE = 0.25  # of the cores busy before the start; more, and the ratio says little
MAX_SCREENS_RATIO = 2.0  # maximum cost of the screens, as a multiple of a run without
SCREENS_SUFFIX = ", screens"
DEFAULT_PRESET = "fast"  # the preset of `make demo` and of the command line

console = Console()


def main(
    photos: Annotated[int, typer.Option(help="Photos of the throughput runs.", min=1)] = 300,
    rounds: Annotated[int, typer.Option(help="Rounds; the fastest counts.", min=1)] = 3,
    memory: Annotated[
        str, typer.Option(help="Photos of each memory run, by commas; empty for none.")
    ] = "1000,5000,20000",
    screens: Annotated[
        bool, typer.Option(help="Judge with the policy's screens, too, versus without them.")
    ] = True,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="File for the JSON line, in addition to the output."),
    ] = None,
) -> None:
    """Measure throughput and memory on temporary servers, and print both."""
    sizes = [int(size) for size in memory.split(",") if size]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    structlog.configure(processors=[_drop_event])  # progress bars replace the log
    load = os.getloadavg()[0]
    with bench_shop() as shop:
        machine = f"{describe_device(resolve_device(shop.settings.device))}, {os.cpu_count()} cores"
        console.print(f"{machine}; load before the start {load:.1f}")
        if load > MAX_LOAD_BEFORE * (os.cpu_count() or 1):
            console.print("[red]other work is running: do not quote the ratio[/red]")
        speeds = _measure_throughput(shop, photos, rounds, screens=screens)
        memories = _measure_memory(shop, sizes) if sizes else []
    _print_throughput(speeds)
    if memories:
        _print_memory(memories)
    line = json.dumps(_result_json(machine, load, speeds, memories))
    print(line)
    if json_file is not None:
        json_file.write_text(line + "\n", encoding="utf-8")


def _drop_event(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


def _measure_throughput(
    shop: BenchShop, photos: int, rounds: int, *, screens: bool
) -> list[Throughput]:
    """Measure every variant once a round, so that other load on the machine affects all alike."""
    prefix = "throughput/"
    keys = shop.upload(prefix, pictures.phone_mixture(photos), photos)
    shipped = load_preset(DEFAULT_PRESET).preprocessing
    threads = sorted({1, torch.get_num_threads()})
    measured = []
    for number in range(rounds):
        article = shop.champion(ARTICLE, seed=number)
        for count in threads:
            shop.reset_statuses()
            measured.append(run_baseline_loop(shop, keys, article, threads=count))
        measured.append(_time_run(shop, prefix, f"scoring, article {ARTICLE.crop}", number))
        shop.champion(shipped, seed=number)
        name = f"scoring, {DEFAULT_PRESET} {shipped.crop}"
        measured.append(_time_run(shop, prefix, name, number))
        if screens:
            name += SCREENS_SUFFIX
            measured.append(_time_run(shop, prefix, name, number, screens=True))
    return measured


def _fastest_rounds(rounds: list[Throughput]) -> dict[str, Throughput]:
    """Return the fastest round of each variant: other load can only add seconds."""
    best: dict[str, Throughput] = {}
    for each in rounds:
        if each.name not in best or each.wall_seconds < best[each.name].wall_seconds:
            best[each.name] = each
    return best


def _baseline_speed(best: dict[str, Throughput]) -> float:
    """Return the images/s of the baseline loop at its better thread count."""
    return max(m.images_per_second for name, m in best.items() if name.startswith("baseline"))


def _time_run(
    shop: BenchShop, prefix: str, name: str, number: int, *, screens: bool = False
) -> Throughput:
    """Score and write back one shard; loading the model counts, listing does not.

    Raises:
        ReconciliationError: not every photo was scored.
    """
    shop.reset_statuses()
    run_id = f"{name} {number}"
    shard = shop.start_run(run_id, prefix, screens=screens)
    start = time.monotonic()
    with console.status(name):
        counts = score_shard(shard, settings=shop.settings, connections=shop.connections)
        written = time.monotonic()
        write_back(run_id, settings=shop.settings, connections=shop.connections)
    end = time.monotonic()
    if counts["judged"] != shard.images:
        raise ReconciliationError(f"not all of {shard.images} photos were scored: {counts}")
    stages = in_transaction(
        shop.connections.engine, lambda c: audit_runs.seconds_of(c, shard.run_id)
    )
    stages["load"] = written - start - stages.pop("wall")
    stages["write"] += end - written
    return Throughput(name, shard.images, end - start, stages)


def _measure_memory(shop: BenchShop, sizes: list[int]) -> list[MemoryUse]:
    """Upload once; each measurement scores the next `size` keys of one nightly run."""
    prefix = "memory/"
    contents = pictures.small_contents(sum(sizes), SMALL_DISTINCT_PHOTOS)
    keys = shop.upload(prefix, contents, sum(sizes))
    whole = shop.start_run("memory", prefix)
    measured = []
    for number, size in enumerate(sizes):
        part = keys[sum(sizes[:number]) :][:size]
        shard = replace(whole, first_key=part[0], last_key=part[-1], images=size)
        measured.append(measure_memory(shop, shard))
    return measured


def _print_throughput(rounds: list[Throughput]) -> None:
    best = _fastest_rounds(rounds)
    article = _baseline_speed(best)
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
        "img/s: the fastest round; times: multiple of the faster baseline. Stages: busy seconds of "
        "that round, summed over threads, which overlap. Random weights.",
        highlight=False,
    )
    for name, m in best.items():
        if name.endswith(SCREENS_SUFFIX):
            ratio = m.wall_seconds / best[name.removesuffix(SCREENS_SUFFIX)].wall_seconds
            word = "within" if ratio <= MAX_SCREENS_RATIO else "[red]over[/red]"
            console.print(
                f"{name}: {ratio:.2f} times the seconds without ({MAX_SCREENS_RATIO:.0f}: {word})"
            )
        elif name.startswith("scoring"):
            times = m.images_per_second / article
            word = "reached" if times >= TARGET_RATIO else "[red]missed[/red]"
            console.print(f"{name}: {times:.2f} times the baseline ({TARGET_RATIO:.0f}: {word})")


def _has_screen(best: dict[str, Throughput], screen: str) -> bool:
    return any(f"screen_{screen}" in m.stages for m in best.values())


def _print_memory(memories: list[MemoryUse]) -> None:
    table = Table(title=f"memory of a scoring process, MiB ({pictures.SMALL})")
    titles = ("photos", "seconds", f"after {EARLY_PHOTOS}", "at the end", "peak")
    for title in (*titles, f"workers after {EARLY_PHOTOS}", "workers at the end", "largest worker"):
        table.add_column(title, justify="right")
    for m in memories:
        mebibytes = (f"{value:.0f}" for value in astuple(m)[2:])
        table.add_row(f"{m.photos:,}", f"{m.seconds:.0f}", *mebibytes)
    console.print(table)
    within, across = _memory_growth(memories)
    word = "flat" if _is_memory_flat(memories) else "[red]not flat[/red]"
    console.print(
        f"{word}: at the end {within:.2f} times what it was after {EARLY_PHOTOS} photos; the "
        f"highest peak {across:.2f} times that of the smallest shard "
        f"(flat: up to {MAX_MEMORY_GROWTH:.2f})"
    )


def _memory_growth(memories: list[MemoryUse]) -> tuple[float, float]:
    smallest = min(memories, key=lambda m: m.photos)
    within = max(max(m.end / m.early, m.workers_end / m.workers_early) for m in memories)
    return within, max(m.peak for m in memories) / smallest.peak


def _is_memory_flat(memories: list[MemoryUse]) -> bool:
    return max(_memory_growth(memories)) <= MAX_MEMORY_GROWTH


def _result_json(
    machine: str, load: float, speeds: list[Throughput], memories: list[MemoryUse]
) -> dict[str, object]:
    best = _fastest_rounds(speeds)
    article = _baseline_speed(best)
    return {
        "machine": machine,
        "load_before": load,
        "mixture": pictures.MIXTURE,
        "times": {name: m.images_per_second / article for name, m in best.items()},
        "rounds": [asdict(s) | {"images_per_second": s.images_per_second} for s in speeds],
        "memory_mib": [asdict(m) for m in memories],
        "memory_flat": _is_memory_flat(memories) if memories else None,
    }


if __name__ == "__main__":
    typer.run(main)
