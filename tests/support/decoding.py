"""Decode workers in tests: their processes, and photos that take them long."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from PIL import Image

from ml.moderation.pipeline import decode_worker


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
def signalled_workers(cpu_seconds: float, signal: int, *, every: float) -> Iterator[list[int]]:
    """Send a signal to all of these workers again and again; yields the ids of those hit."""
    hit: list[int] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(every):
            for process in decode_workers(cpu_seconds):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal)
                    hit.append(process.pid)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield hit
    finally:
        stop.set()
        sender.join()
