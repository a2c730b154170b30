"""`python -m benchmarks.peers.child JOB`: the process of one system."""

import json
import sys
from importlib import import_module

import structlog

from benchmarks.peers.job import Job, Report
from ml.core.settings import load_settings

MODULES = {
    "article": "article",
    "ray": "ray_data",
    "daft": "daft_frame",
    "ours": "ours",
    "ceiling": "ceiling",
}


def _drop_event(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    structlog.configure(processors=[_drop_event])
    job = Job(**json.loads(sys.argv[1]))
    system = import_module(f"benchmarks.peers.{MODULES[job.system]}")
    system.run(job, load_settings(), Report(job))
