"""What a piece of work takes: the wall, and processor time of this process and of the servers."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass
class Cost:
    """Seconds. Processor time says what the work takes where other work slows the wall down."""

    wall: float = 0.0
    python: float = 0.0
    servers: float = 0.0

    @property
    def busy(self) -> float:
        """Processor seconds of all sides; they take turns, so about the wall of a quiet machine."""
        return self.python + self.servers


@contextmanager
def measured(servers: Sequence[psutil.Process]) -> Iterator[Cost]:
    """Fill the yielded cost with what the block takes.

    Args:
        servers: processes whose time counts, their children's included. PostgreSQL serves each
            connection by a child: the block must use connections that were open before and stay
            open, since an ended child is not seen.
    """
    cost = Cost()
    before, began = _seconds(servers), time.perf_counter()
    own = time.process_time()
    yield cost
    cost.wall = time.perf_counter() - began
    cost.python = time.process_time() - own
    cost.servers = _seconds(servers) - before


def _seconds(servers: Sequence[psutil.Process]) -> float:
    """Processor seconds of processes so far."""
    total = 0.0
    for process in [each for server in servers for each in (server, *server.children())]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
