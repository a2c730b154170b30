"""A real bucket of many keys: what putting and listing them takes."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
from rich.progress import track

from benchmarks.cost import Cost, measured
from benchmarks.setup import BenchShop
from ml.inference.bounded import bounded_map

PUT_THREADS = 16


def fill_and_list(
    shop: BenchShop, servers: Sequence[psutil.Process], keys: int, *, seconds: float
) -> tuple[int, dict[str, Cost]]:
    """Put tiny objects until there are `keys`, or time is over; then list them all.

    Returns:
        How many keys there are, and the cost of putting and of listing them.
    """
    store = shop.connections.photos
    names = (f"many/{number:09d}.jpg" for number in range(keys))
    until = time.monotonic() + seconds
    costs: dict[str, Cost] = {}
    with measured(servers) as costs["put"], ThreadPoolExecutor(PUT_THREADS, "put") as pool:
        done = bounded_map(pool, lambda key: store.put(key, b"x"), names, ahead=PUT_THREADS)
        for _ in track(done, "putting", total=keys):
            if time.monotonic() > until:
                break
    with measured(servers) as costs["list"]:
        listed = sum(len(page) for page in store.list_pages("many/"))
    return listed, costs
