"""Memory of a judge task: one fresh process a shard, its resident memory noted at every commit.

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

from benchmarks.setup import BenchShop
from ml.audit.judge import judge
from ml.connections import open_connections
from ml.errors import ServiceError
from ml.settings import PREFIX, ROOT, load_settings
from ml.storage.audit_runs import Shard

EARLY_PHOTOS = 500  # libraries are loaded and buffers filled by then
_HANDED_ON = ("database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key", "data_dir")


@dataclass(frozen=True)
class Memory:
    """Resident memory of one judge process, in MiB.

    `early` is after the first commit at or past EARLY_PHOTOS, `end` after the last commit, `peak`
    the kernel's high-water mark of the process.
    """

    photos: int
    seconds: float
    early: float
    end: float
    peak: float


def measure_memory(shop: BenchShop, shard: Shard) -> Memory:
    """Judge a shard in a fresh process and return what it needed.

    Raises:
        ServiceError: the process failed or left photos out; carries its last words.
    """
    start = time.monotonic()
    lines: list[dict[str, float]] = []
    with Progress() as progress, (shop.folder / "judge.log").open("w+b") as log:
        bar = progress.add_task(f"judging {shard.images:,}", total=shard.images)
        command = [sys.executable, "-m", "benchmarks.memory", json.dumps(asdict(shard))]
        with subprocess.Popen(
            command, env=_environment(shop), cwd=ROOT, stdout=subprocess.PIPE, stderr=log
        ) as child:
            for line in child.stdout or ():
                lines.append(json.loads(line))
                progress.update(bar, completed=lines[-1]["done"])
    if child.returncode != 0 or lines[-1]["done"] != shard.images:
        words = Path(log.name).read_text(encoding="utf-8", errors="replace")[-2000:]
        raise ServiceError(f"the judge of {shard.images} photos ended early: {words}")
    return _summary(lines, time.monotonic() - start)


def _summary(lines: list[dict[str, float]], seconds: float) -> Memory:
    *commits, last = lines
    early = next((c for c in commits if c["done"] >= EARLY_PHOTOS), commits[-1])
    return Memory(int(last["done"]), seconds, early["rss"], last["rss"], last["peak"])


def _environment(shop: BenchShop) -> dict[str, str]:
    values = {name: getattr(shop.settings, name) for name in _HANDED_ON}
    plain = {
        f"{PREFIX}{name.upper()}": str(v.get_secret_value() if isinstance(v, SecretStr) else v)
        for name, v in values.items()
    }
    return os.environ | plain


def _mebibytes() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def _peak_mebibytes() -> float:
    """The high-water mark of this program alone.

    On Linux ru_maxrss also counts what the starting process held at the moment of the start
    (getrusage(2) keeps it over exec); VmHWM of proc(5) does not.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes, on macOS


def _report_commits(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Print the memory at each of the judge's progress lines, in their place."""
    if event["event"] == "judging":
        print(json.dumps({"done": event["done"], "rss": _mebibytes()}), flush=True)
    raise structlog.DropEvent


def _child(shard: Shard) -> None:
    structlog.configure(processors=[_report_commits])
    settings = load_settings()
    counts = judge(shard, settings=settings, connections=open_connections(settings))
    last = {"done": counts["judged"], "rss": _mebibytes(), "peak": _peak_mebibytes()}
    print(json.dumps(last), flush=True)


if __name__ == "__main__":
    _child(Shard(**json.loads(sys.argv[1])))
