"""Decode workers in tests: their processes, and photos that take them long."""

import io
import random
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress

import psutil
from PIL import Image

from ml.moderation.pipeline import decode_worker

ANY = range(2**31)  # process ids


def costly_photo(side: int = 8000) -> bytes:
    """A small file with many pixels: some 0.5 to 2 seconds of decoding."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (9, 99, 199)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def decode_workers(cpu_seconds: float) -> list[psutil.Process]:
    """This process's decode workers with that limit."""
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            line = process.cmdline()
            if decode_worker.__name__ in line and line[-1] == str(cpu_seconds):
                found.append(process)
    return found


@contextmanager
def killed_workers(
    cpu_seconds: float, *, among: Container[int] = ANY, every: float, most: int = 10**9
) -> Iterator[list[int]]:
    """Kill one of these workers again and again, at random; yields the ids of those killed."""
    killed: list[int] = []
    stop = threading.Event()
    draw = random.Random(3)  # noqa: S311 - any order works

    def kill_some() -> None:
        while len(killed) < most and not stop.wait(draw.uniform(0, 2 * every)):
            with suppress(psutil.NoSuchProcess, IndexError):
                process = draw.choice([p for p in decode_workers(cpu_seconds) if p.pid in among])
                process.kill()
                killed.append(process.pid)

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()
