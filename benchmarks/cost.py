"""What a piece of work takes: the wall, and processor time of this process and PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Cost:
    """Seconds. Processor time says what the work takes where other work slows the wall down."""

    wall: float = 0.0
    python: float = 0.0
    database: float = 0.0

    @property
    def busy(self) -> float:
        """Processor seconds of both sides, which take turns: the wall of a quiet machine."""
        return self.python + self.database


@contextmanager
def measured(cluster: Path) -> Iterator[Cost]:
    """Fill the yielded cost with what the block takes.

    Args:
        cluster: data folder of the PostgreSQL whose processes are looked at. The block must use
            connections that are open before and stay open: an ended process is not seen.
    """
    cost = Cost()
    before, began = _database_seconds(cluster), time.perf_counter()
    own = time.process_time()
    yield cost
    cost.wall = time.perf_counter() - began
    cost.python = time.process_time() - own
    cost.database = _database_seconds(cluster) - before


def _database_seconds(cluster: Path) -> float:
    """Processor seconds of a server's processes so far."""
    pid = int((cluster / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    server = psutil.Process(pid)
    total = 0.0
    for process in (server, *server.children()):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
