"""Processor time and memory of a process and all its descendants, sampled."""

import threading
from dataclasses import dataclass

import psutil

SECONDS_BETWEEN_SAMPLES = 0.5


@dataclass(frozen=True)
class Usage:
    """Processor seconds (user and system), and the peak of memory in MiB (PSS: shared pages once).

    A descendant that ended between two samples lacks what it used after the last one.
    """

    cpu_seconds: float
    peak_mib: float


class UsageSampler:
    """Samples a tree of processes from `start` to `stop`."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._before: dict[int, float] = {}
        self._latest: dict[int, float] = {}
        self._peak = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True)

    def start(self) -> None:
        """Count from now on."""
        self._sample()
        self._before = dict(self._latest)
        self._thread.start()

    def stop(self) -> Usage:
        """Return what was used since the start."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._sample()
        used = (seconds - self._before.get(pid, 0.0) for pid, seconds in self._latest.items())
        return Usage(sum(used), self._peak)

    def _sample_until_stopped(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_SAMPLES):
            self._sample()

    def _sample(self) -> None:
        memory = 0.0
        for process in self._tree():
            try:
                times = process.cpu_times()
                memory += memory_bytes(process)
            except psutil.Error:
                continue
            self._latest[process.pid] = times.user + times.system
        self._peak = max(self._peak, memory / 2**20)

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []


def memory_bytes(process: psutil.Process) -> float:
    """PSS, which counts shared pages once, where the system has it; else USS: without them."""
    memory = process.memory_full_info()
    return float(getattr(memory, "pss", memory.uss))
