"""Processor time of scoring: of this process and of its decode workers."""

import psutil

from ml.moderation.pipeline import decode_worker


def processor_seconds() -> float:
    """Return the processor seconds of this process and its decode workers until now.

    Those of workers that have ended count as well.
    """
    workers = [
        child for child in psutil.Process().children() if decode_worker.__name__ in child.cmdline()
    ]
    processes = [psutil.Process(), *workers]
    return sum(sum(process.cpu_times()[:4]) for process in processes)  # the last two: of children
