"""The nightly run: the steps that score a shard and write its verdicts back."""

import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.peers.job import Job, Report
from benchmarks.setup import BenchShop
from ml.core.errors import ReconciliationError
from ml.core.settings import Settings
from ml.moderation.nightly.score_shard import score_shard
from ml.moderation.nightly.write_back import write_back
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.storage import audit_runs
from ml.storage.connections import open_connections
from ml.storage.database import in_transaction


def run(job: Job, settings: Settings, report: Report) -> None:
    """Score and write back; as for the others, listing the keys is not measured.

    Raises:
        ReconciliationError: not every photo was judged.
    """
    connections = open_connections(settings)
    shop = BenchShop(settings, connections, Path(settings.data_dir))
    shard = shop.start_run("peers", job.prefix, screens=job.screens)
    _start_workers(settings)
    with report.measured():
        start = time.monotonic()
        counts = score_shard(shard, settings=settings, connections=connections)
        scored = time.monotonic() - start
        write_back("peers", settings=settings, connections=connections)
        report.stages = in_transaction(
            connections.engine, lambda c: audit_runs.seconds_of(c, shard.run_id)
        )
        report.ready = scored - report.stages.pop("wall")
    if counts["judged"] != len(job.keys):
        raise ReconciliationError(f"not all of {len(job.keys)} photos were judged: {counts}")


def _start_workers(settings: Settings) -> None:
    """Start the decode workers and wait for them: the engines of the others have started, too."""
    pool = decode_pool(settings)
    pool.start()
    with ExitStack() as workers:
        for _ in range(pool.size):
            workers.enter_context(pool.worker())
