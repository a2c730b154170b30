"""The processor cores that this process may use."""

import math
import os
from pathlib import Path

_CGROUP_2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_1 = Path("/sys/fs/cgroup/cpu")


def available_cores() -> int:
    """Cores by the CPU affinity and the container's quota, at least 1.

    `os.cpu_count` counts the host's cores: a pod limited to 2 of 64 cores would start 64 workers.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores, quota = affinity or 1, _cgroup_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _cgroup_quota() -> float | None:
    """Cores that the container's limit allows; None without a limit.

    `cpu.max` is "quota period" (https://docs.kernel.org/admin-guide/cgroup-v2.html), where the
    quota `max` is none; in version 1 these are two files, and -1 is none.
    """
    try:
        if _CGROUP_2.is_file():
            quota, period = _CGROUP_2.read_text(encoding="ascii").split()
        else:
            quota, period = (
                (_CGROUP_1 / name).read_text(encoding="ascii").strip()
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
