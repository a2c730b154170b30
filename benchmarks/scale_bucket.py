"""A real bucket of many keys: what putting and listing them takes."""

import time
from concurrent.futures import ThreadPoolExecutor

from rich.progress import track

from benchmarks.setup import BenchShop
from ml.inference.bounded import bounded_map

PUT_THREADS = 16


def fill_and_list(shop: BenchShop, keys: int, *, seconds: float) -> dict[str, float]:
    """Put tiny objects until there are `keys`, or time is over; then list them all.

    Returns:
        `keys` that are there, `put_seconds`, `list_seconds`.
    """
    store = shop.connections.photos
    began = time.perf_counter()
    put = 0
    with ThreadPoolExecutor(PUT_THREADS, "put") as pool:
        names = (f"many/{number:09d}.jpg" for number in range(keys))
        done = bounded_map(pool, lambda key: store.put(key, b"x"), names, ahead=PUT_THREADS)
        for _ in track(done, "putting", total=keys):
            put += 1
            if time.perf_counter() - began > seconds:
                break
    filled = time.perf_counter()
    listed = sum(len(page) for page in store.list_pages("many/"))
    return {
        "keys": listed,
        "put_seconds": filled - began,
        "list_seconds": time.perf_counter() - filled,
    }
