"""Cost of a block of code: wall time, and CPU time of this process and of the servers."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass
class Cost:
    """Seconds. CPU time, unlike wall time, hardly depends on other load on the machine."""

    wall: float = 0.0
    python: float = 0.0
    servers: float = 0.0

    @property
    def busy(self) -> float:
        """CPU seconds together; the processes take turns, so about the wall time when idle."""
        return self.python + self.servers


@contextmanager
def measure_cost(servers: Sequence[psutil.Process]) -> Iterator[Cost]:
    """Measure the block; the yielded cost is complete when it ends.

    Args:
        servers: processes to count, including their children. PostgreSQL serves each connection in
            a child: the block must use connections that were opened before and stay open, since an
            ended child is not counted.
    """
    cost = Cost()
    before, began = _cpu_seconds(servers), time.perf_counter()
    own = time.process_time()
    yield cost
    cost.wall = time.perf_counter() - began
    cost.python = time.process_time() - own
    cost.servers = _cpu_seconds(servers) - before


def _cpu_seconds(servers: Sequence[psutil.Process]) -> float:
    """Return the CPU seconds of the processes so far."""
    total = 0.0
    for process in [each for server in servers for each in (server, *server.children())]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
