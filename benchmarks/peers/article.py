"""The article's loop, in a process of its own."""

from pathlib import Path

from benchmarks.baseline_loop import run_baseline_loop
from benchmarks.peers.job import Job, Report
from benchmarks.setup import BenchShop
from ml.core.settings import Settings
from ml.storage.connections import open_connections


def run(job: Job, settings: Settings, report: Report) -> None:
    """Classify the photos one after another."""
    shop = BenchShop(settings, open_connections(settings), Path(settings.data_dir))
    with report.measured():
        done = run_baseline_loop(shop, job.keys, job.model_hash, threads=job.threads)
        report.stages = done.stages
