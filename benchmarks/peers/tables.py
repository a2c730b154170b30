"""The tables that `python -m benchmarks.peers` prints."""

import os
from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.peers.figures import (
    CPU,
    WALL,
    Result,
    costs_of_screens,
    ratios,
    speeds,
)
from benchmarks.peers.plan import SCREENS_SUFFIX


def print_results(console: Console, results: Sequence[Result], alone: Sequence[Result]) -> None:
    """Print speeds, the ratios of ours to each peer, and the share of the ceiling."""
    table = Table(title="median of the rounds (slowest to fastest)")
    for title in ("", "images/s", "model loaded after s", "CPU ms a photo", "peak MiB"):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for case, speed in speeds(results).items():
        those = [result for result in results if result.case == case]
        ready = median(r.ready for r in those)
        cpu = median(1e3 * r.cpu_seconds / r.photos for r in those)
        peak = max(r.peak_mib for r in those)
        table.add_row(
            case, str(speed), f"{ready:.1f}" if ready else "", f"{cpu:.1f}", f"{peak:.0f}"
        )
    console.print(table)
    _print_ratios(console, results)
    for case, cost in costs_of_screens(results, SCREENS_SUFFIX).items():
        console.print(f"{case}: {cost} times the seconds without", highlight=False)
    _print_ceilings(console, results, alone)


def _print_ratios(console: Console, results: Sequence[Result]) -> None:
    in_cpu_time = ratios(results, CPU)
    for case, of_peers in ratios(results, WALL).items():
        for peer, ratio in of_peers.items():
            console.print(
                f"{case}: {ratio} times {peer}; in processor time {in_cpu_time[case][peer]}",
                highlight=False,
            )


def _print_ceilings(console: Console, results: Sequence[Result], alone: Sequence[Result]) -> None:
    cores = os.cpu_count() or 1
    for case in dict.fromkeys(result.case for result in alone):
        stages = {
            stage: median(1e3 * r.stages[stage] / r.photos for r in alone if r.case == case)
            for stage in next(r for r in alone if r.case == case).stages
        }
        each = ", ".join(f"{stage} {ms:.1f}" for stage, ms in stages.items())
        line = f"{case}: CPU ms a photo, each alone: {each}"
        if ours := [r for r in results if r.case == case]:
            cpu = median(1e3 * r.cpu_seconds / r.photos for r in ours)
            speed = median(r.photos / (r.wall_seconds - r.ready) for r in ours)
            top = 1e3 * cores / sum(stages.values())
            line += (
                f"; together {100 * sum(stages.values()) / cpu:.0f} % of the run's processor time. "
                f"{cores} cores could reach {top:.1f} images/s; once loaded, the run reached "
                f"{100 * speed / top:.0f} % of that"
            )
        console.print(line, highlight=False)
