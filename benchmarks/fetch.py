"""`python -m benchmarks.fetch --data FOLDER`: processor time of reading a photo from the bucket.

By boto3 and by obstore, with one thread and with many, in turn, from the embedded SeaweedFS. The
time that the interpreter's lock is held is at most the processor time of the calling threads less
that of the MD5, which hashlib computes without the lock: obstore's own threads never take it.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.calibration import images_per_second
from benchmarks.real_photos import MIXTURE, enlarged_photos
from benchmarks.setup import bench_shop
from ml.core.errors import StorageError
from ml.storage.object_store import ObjectStore
from ml.storage.s3_responses import ExpectedObject, ListedObject

THREADS = 16  # of the second measurement

console = Console()
Read = Callable[[ListedObject], bytes]


@dataclass(frozen=True)
class FetchCost:
    """Cost of one reader in one round: milliseconds a GET, of processor time but for `rate`.

    `process_ms` is user and system time of this process, without the server; `caller_ms` that of
    the calling threads alone.
    """

    reader: str
    threads: int
    process_ms: float
    caller_ms: float
    gets_per_second: float


def main(
    data: Annotated[Path, typer.Option(help="Folder of real photos.", exists=True)],
    photos: Annotated[int, typer.Option(help="Photos.", min=1)] = 120,
    reads: Annotated[int, typer.Option(help="GETs of each measurement.", min=1)] = 480,
    rounds: Annotated[int, typer.Option(help="Rounds; the median counts.", min=1)] = 5,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="File for the JSON line, in addition to the output."),
    ] = None,
) -> None:
    """Read the same photos with both readers in turn, and print the medians."""
    contents = list(enlarged_photos(data, photos))
    calibrated = images_per_second()
    with bench_shop() as shop:
        shop.upload("fetch/", contents, photos)
        store = shop.connections.photos
        listed = [each for page in store.list_pages("fetch/") for each in page]
        readers = {"boto3": _boto3(store), "obstore": _obstore(store, listed[0])}
        md5_ms = _md5_milliseconds(contents)
        costs = [
            _measure(name, count, read, listed, reads)
            for _ in range(rounds)
            for count in (1, THREADS)
            for name, read in readers.items()
        ]
    kilobytes = sum(map(len, contents)) / photos / 1000
    line = json.dumps(
        {
            "calibration_images_per_second": calibrated,
            "cores": os.cpu_count(),
            "md5_ms": md5_ms,
            "load": os.getloadavg()[0],
            "photos": f"{photos}, on average {kilobytes:.0f} kB: {MIXTURE}",
            "rounds": [asdict(cost) for cost in costs],
        }
    )
    _print_table(
        costs,
        md5_ms,
        f"{kilobytes:.0f} kB a photo, MD5 {md5_ms:.2f} ms; calibration {calibrated:.1f} images/s",
    )
    print(line)
    if json_file is not None:
        json_file.write_text(line + "\n", encoding="utf-8")


def _expected(listed: ListedObject) -> ExpectedObject:
    return ExpectedObject(listed.etag, listed.size_bytes, 2 * listed.size_bytes)


def _boto3(store: ObjectStore) -> Read:
    return lambda listed: store._read_by_boto3(listed.key, _expected(listed))  # noqa: SLF001 - what `get` does without obstore


def _obstore(store: ObjectStore, first: ListedObject) -> Read:
    """Read as `get` does once boto3 has answered.

    Raises:
        StorageError: obstore does not read this bucket.
    """
    store.get(first.key)
    if not store._reader.is_used:  # noqa: SLF001 - asked by this benchmark alone
        raise StorageError("obstore does not read this bucket")
    return lambda listed: store.get(
        listed.key,
        etag=listed.etag,
        size_bytes=listed.size_bytes,
        max_bytes=2 * listed.size_bytes,
    )


def _measure(
    name: str, threads: int, read: Read, listed: Sequence[ListedObject], reads: int
) -> FetchCost:
    objects = [listed[number % len(listed)] for number in range(reads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, objects[: 2 * threads]))  # connections are opened
        process, start = time.process_time(), time.perf_counter()
        callers = sum(pool.map(lambda each: _caller_seconds(read, each), objects))
        wall, process = time.perf_counter() - start, time.process_time() - process
    return FetchCost(name, threads, 1e3 * process / reads, 1e3 * callers / reads, reads / wall)


def _caller_seconds(read: Read, listed: ListedObject) -> float:
    start = time.thread_time()
    read(listed)
    return time.thread_time() - start


def _md5_milliseconds(contents: Sequence[bytes]) -> float:
    start = time.thread_time()
    for data in contents:
        hashlib.md5(data, usedforsecurity=False).digest()
    return 1e3 * (time.thread_time() - start) / len(contents)


def _print_table(costs: Sequence[FetchCost], md5_ms: float, title: str) -> None:
    table = Table(title=title)
    for column in ("", "threads", "process ms/GET", "lock held, at most ms/GET", "GET/s"):
        table.add_column(column, justify="right" if column else "left")
    for name, threads in dict.fromkeys((cost.reader, cost.threads) for cost in costs):
        those = [cost for cost in costs if (cost.reader, cost.threads) == (name, threads)]
        table.add_row(
            name,
            str(threads),
            f"{median(cost.process_ms for cost in those):.2f}",
            f"{median(cost.caller_ms for cost in those) - md5_ms:.2f}",
            f"{median(cost.gets_per_second for cost in those):.0f}",
        )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
