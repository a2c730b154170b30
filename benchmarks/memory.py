"""Memory of a scoring task: one new process for each shard, measured at every commit.

`python -m benchmarks.memory SHARD` (a shard as JSON) is that process; `measure_memory` starts it.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import structlog
from pydantic import SecretStr
from rich.progress import Progress

from benchmarks.peers.usage import memory_bytes
from benchmarks.setup import BenchShop
from ml.core.errors import ServiceError
from ml.core.settings import PREFIX, ROOT, load_settings
from ml.core.types import Shard
from ml.moderation.nightly.score_shard import score_shard
from ml.storage.connections import open_connections

EARLY_PHOTOS = 500  # by then libraries are loaded and buffers are filled
_PASSED_SETTINGS = ("database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key", "data_dir")


@dataclass(frozen=True)
class MemoryUse:
    """Resident memory of one scoring process, in MiB.

    `early` is after the first commit at or after EARLY_PHOTOS, `end` after the last commit, `peak`
    the kernel's high-water mark of the process. `workers_early` and `workers_end` are the memory of
    all decode workers (PSS: shared pages once), `largest_worker` that of one of them at any commit.
    """

    photos: int
    seconds: float
    early: float
    end: float
    peak: float
    workers_early: float
    workers_end: float
    largest_worker: float


def measure_memory(shop: BenchShop, shard: Shard) -> MemoryUse:
    """Score a shard in a new process and measure its memory.

    Raises:
        ServiceError: the process failed or skipped photos; carries the end of its log.
    """
    start = time.monotonic()
    lines: list[dict[str, float]] = []
    with Progress() as progress, (shop.folder / "score.log").open("w+b") as log:
        bar = progress.add_task(f"scoring {shard.images:,}", total=shard.images)
        command = [sys.executable, "-m", "benchmarks.memory", json.dumps(asdict(shard))]
        with subprocess.Popen(
            command, env=child_environment(shop), cwd=ROOT, stdout=subprocess.PIPE, stderr=log
        ) as child:
            for line in child.stdout or ():
                lines.append(json.loads(line))
                progress.update(bar, completed=lines[-1]["done"])
    if child.returncode != 0 or lines[-1]["done"] != shard.images:
        output = Path(log.name).read_text(encoding="utf-8", errors="replace")[-2000:]
        raise ServiceError(f"scoring {shard.images} photos ended early: {output}")
    return _summarize(lines, time.monotonic() - start)


def _summarize(lines: list[dict[str, float]], seconds: float) -> MemoryUse:
    *commits, last = lines
    early = next((c for c in commits if c["done"] >= EARLY_PHOTOS), commits[-1])
    return MemoryUse(
        int(last["done"]),
        seconds,
        early["rss"],
        last["rss"],
        last["peak"],
        workers_early=early["workers"],
        workers_end=commits[-1]["workers"],
        largest_worker=max(commit["largest_worker"] for commit in commits),
    )


def child_environment(shop: BenchShop) -> dict[str, str]:
    """Return the environment of a process that uses the shop's servers."""
    values = {name: getattr(shop.settings, name) for name in _PASSED_SETTINGS}
    plain = {
        f"{PREFIX}{name.upper()}": str(v.get_secret_value() if isinstance(v, SecretStr) else v)
        for name, v in values.items()
    }
    return os.environ | plain


def _mebibytes() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def _peak_mebibytes() -> float:
    """Return the high-water mark of this program alone.

    On Linux ru_maxrss includes the memory of the parent process at the start (getrusage(2) keeps
    it over exec); VmHWM of proc(5) does not.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes, on macOS


def _report_commits(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Print the memory in place of each progress log line of the scoring step."""
    if event["event"] == "scoring":
        workers = [memory_bytes(each) / 2**20 for each in psutil.Process().children()]
        memory = {"workers": sum(workers), "largest_worker": max(workers, default=0.0)}
        print(json.dumps({"done": event["judged"], "rss": _mebibytes(), **memory}), flush=True)
    raise structlog.DropEvent


def _score_in_child(shard: Shard) -> None:
    structlog.configure(processors=[_report_commits])
    settings = load_settings()
    counts = score_shard(shard, settings=settings, connections=open_connections(settings))
    last = {"done": counts["judged"], "rss": _mebibytes(), "peak": _peak_mebibytes()}
    print(json.dumps(last), flush=True)


if __name__ == "__main__":
    _score_in_child(Shard(**json.loads(sys.argv[1])))
