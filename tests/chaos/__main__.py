"""`make chaos`: kills, cut connections and a faulty bucket, with equal end states.

Exits with 1 where anything is not as in the unbroken runs, and prints the seed that repeats it.
"""

import random
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.calibration import images_per_second
from tests.chaos.campaign import Plan, Run, run_campaign
from tests.chaos.faults import FAULTS
from tests.chaos.workloads import WORKLOADS
from tests.chaos.world import World
from tests.support.servers import running_servers

PHOTOS = 100
_NAMES = [workload.name for workload in WORKLOADS]
console = Console()


def main(
    kills: Annotated[int, typer.Option(help="Killed processes.", min=0)] = 300,
    cuts: Annotated[int, typer.Option(help="Cut connections.", min=0)] = 150,
    faulty_runs: Annotated[
        int, typer.Option(help=f"Nightly runs behind a faulty bucket; {len(FAULTS)} faults.", min=0)
    ] = 60,
    seed: Annotated[int | None, typer.Option(help="Repeats a campaign.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Workload ({', '.join(_NAMES)}) or name of a fault.")
    ] = None,
) -> None:
    """Run a campaign on servers of its own, print a table, and exit with 1 after a problem."""
    chosen = random.randrange(2**32) if seed is None else seed
    plan = Plan(kills, cuts, faulty_runs, chosen, frozenset(only or ()))
    workloads = WORKLOADS if kills or cuts else WORKLOADS[:1]  # a faulty bucket needs no other
    console.print(f"seed {plan.seed}")
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.chmod(0o755)  # PostgreSQL runs as another user
        services = stack.enter_context(running_servers(folder / "servers"))
        with console.status("preparing the shop"):
            world = World(services, folder, stack, photos=PHOTOS, workloads=workloads)
        runs = _run_shown(world, plan)
    console.print(_summary(runs))
    seconds, speed = time.monotonic() - began, images_per_second()
    console.print(f"seed {plan.seed}, {seconds:.0f} s, ResNet18 {speed:.1f} images/s")
    sys.exit(any(run.problems for run in runs))


def _run_shown(world: World, plan: Plan) -> list[Run]:
    """Run the campaign under a progress bar for each kind."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as shown:
        totals = {"kills": plan.kills, "cuts": plan.cuts, "faulty runs": plan.faulty_runs}
        bars = {kind: shown.add_task(kind, total=total) for kind, total in totals.items()}

        def report(run: Run) -> None:
            shown.advance(bars[run.kind], run.events)
            if not console.is_terminal:  # which shows no bars
                console.print(f"{run.kind} {run.name}, seed {run.seed}: {run.events}")
            for problem in run.problems:
                console.print(
                    f"[red]{run.kind}[/red] {run.name}, seed {run.seed}: {escape(problem)}"
                )

        return run_campaign(world, plan, report)


def _summary(runs: list[Run]) -> Table:
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.kind, run.name].append(run)
    table = Table("disturbance", "of", "runs", "events", "failed attempts", "runs with problems")
    for (kind, name), members in groups.items():
        counts = (
            len(members), sum(r.events for r in members), sum(r.failed_attempts for r in members),
            sum(bool(r.problems) for r in members),
        )  # fmt: skip
        table.add_row(kind, name, *map(str, counts))
    return table


if __name__ == "__main__":
    typer.run(main)
