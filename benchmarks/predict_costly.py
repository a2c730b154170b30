"""`python -m benchmarks.predict_costly`: latency of ordinary photos next to two costly files.

Two clients send a file that takes seconds to decode, each again and again, while others send
ordinary photos at a fixed rate whatever the answers (an open loop). Rounds with and without the
costly files take turns. The service is one that a user starts: default settings and policy.
"""

import http.client
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.calibration import images_per_second
from benchmarks.decode_limits_photos import PHOTOS, write_photo
from benchmarks.photos import phone_mixture
from benchmarks.predict_load import (
    LoadResult,
    Reply,
    ServingProcess,
    multipart,
    open_loop,
    run_service,
)
from benchmarks.setup import bench_shop
from ml.models.training.preset import load_preset

COSTLY_CLIENTS = 2
MAX_RATIO = 3.0  # of the p99 with costly files to the p99 without
_MEGAPIXELS = 100
_ORDINARY_CLIENTS = 32  # enough that none is late while others wait
_ANSWER_SECONDS = 120

console = Console(width=None if Console().is_terminal else 120)


@dataclass(frozen=True)
class Round:
    """The replies of one round: to ordinary photos, and to the costly file."""

    ordinary: LoadResult
    costly: list[Reply]


def main(
    file: Annotated[str, typer.Option(help="The costly file.")] = "PNG 16-bit RGBA",
    rate: Annotated[float, typer.Option(help="Ordinary photos a second.")] = 3.0,
    seconds: Annotated[float, typer.Option(help="Seconds of a round.")] = 30.0,
    rounds: Annotated[int, typer.Option(help="Rounds of each kind.", min=1)] = 4,
    screens: Annotated[bool, typer.Option(help="With the policy's screens.")] = True,
) -> None:
    """Measure on this machine, and print the figures."""
    if file not in PHOTOS:
        raise typer.BadParameter(f"one of {', '.join(PHOTOS)}")
    costly = multipart(_render_costly(file))
    bodies = [multipart(data) for data in phone_mixture(int(rate * seconds))]
    before = images_per_second()
    found: dict[bool, list[Round]] = {False: [], True: []}
    with bench_shop() as shop:
        shop.champion(load_preset("fast").preprocessing, seed=1)
        policy = shop.settings.policy_file if screens else shop.without_screens()
        with run_service(shop, policy_file=policy) as served:
            open_loop(served, bodies, rate=rate, seconds=seconds / 3, clients=_ORDINARY_CLIENTS)
            for _ in range(rounds):
                for is_costly in (False, True):
                    with _costly_load(served, costly, COSTLY_CLIENTS * is_costly) as replies:
                        load = open_loop(
                            served, bodies, rate=rate, seconds=seconds, clients=_ORDINARY_CLIENTS
                        )
                    found[is_costly].append(Round(load, replies))
    _print(found)
    load_average, after = os.getloadavg()[0], images_per_second()
    console.print(
        f"{file}, {len(costly) / 2**20:.1f} MiB; {os.cpu_count()} cores, load {load_average:.1f}; "
        f"ResNet18 at 224 px before and after: {before:.1f}, {after:.1f} images/s"
    )


def _render_costly(name: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="moderation-costly-") as folder:
        path = Path(folder) / "photo"
        write_photo(name, _MEGAPIXELS, path)
        return path.read_bytes()


@contextmanager
def _costly_load(served: ServingProcess, body: bytes, clients: int) -> Iterator[list[Reply]]:
    """Clients that each send the file again and again until the block ends; yields the replies."""
    replies: list[Reply] = []
    stopped = threading.Event()

    def send_again_and_again() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=_ANSWER_SECONDS)
        while not stopped.is_set():
            replies.append(served.send(connection, 0, body))
        connection.close()

    threads = [threading.Thread(target=send_again_and_again) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield replies
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _print(found: dict[bool, list[Round]]) -> None:
    pooled = {
        is_costly: LoadResult([reply for each in rounds for reply in each.ordinary.replies])
        for is_costly, rounds in found.items()
    }
    table = Table("ordinary photos", "answered", "p50, s", "p99, s", "p99 of each round, s")
    for is_costly, load in pooled.items():
        title = f"with {COSTLY_CLIENTS} costly files" if is_costly else "alone"
        each = ", ".join(f"{r.ordinary.percentile(0.99):.2f}" for r in found[is_costly])
        p50, p99 = load.percentile(0.50), load.percentile(0.99)
        table.add_row(title, json.dumps(load.statuses), f"{p50:.3f}", f"{p99:.3f}", each)
    console.print(table)
    costly = LoadResult([reply for each in found[True] for reply in each.costly])
    longest = max(reply.seconds for reply in costly.replies)
    console.print(f"costly files: {json.dumps(costly.statuses)}, at most {longest:.1f} s each")
    ratio = pooled[True].percentile(0.99) / pooled[False].percentile(0.99)
    console.print(f"p99 with costly files: {ratio:.2f} times that without (target: {MAX_RATIO:g})")


if __name__ == "__main__":
    typer.run(main)
