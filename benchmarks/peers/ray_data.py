"""Ray Data, as its guide to batch inference has it: files, a task for each photo, a model actor."""

import os
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pyarrow.fs
import ray
from ray.data import ActorPoolStrategy

from benchmarks.peers.job import (
    BATCH,
    UPDATE,
    Classifier,
    Cropper,
    Job,
    Report,
    database_url,
    s3_keys,
)
from ml.core.settings import Settings

OBJECT_STORE_BYTES = 512 * 2**20


class _Model:
    def __init__(self, job: Job) -> None:
        self._classifier = Classifier(job)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        statuses = self._classifier.statuses(np.stack(list(batch["pixels"])))
        return {"status": np.array(statuses), "key": batch["key"]}


def run(job: Job, settings: Settings, report: Report) -> None:
    """Classify the photos on a local Ray; starting Ray itself is not measured."""
    ray.init(
        num_cpus=os.cpu_count(),
        include_dashboard=False,
        logging_level="ERROR",
        object_store_memory=OBJECT_STORE_BYTES,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    cropper = Cropper(job.folder)
    bucket = f"{settings.photo_bucket}/"

    def prepare(row: dict[str, Any]) -> dict[str, Any]:
        return {"key": row["path"].removeprefix(bucket), "pixels": cropper.crop(row["bytes"])}

    paths = [f"{bucket}{key}" for key in job.keys]
    with report.measured():
        files = ray.data.read_binary_files(
            paths, filesystem=_filesystem(settings), include_paths=True
        )
        verdicts = files.map(prepare).map_batches(
            _Model,
            fn_constructor_args=(job,),
            batch_size=BATCH,
            compute=ActorPoolStrategy(size=1),
            num_cpus=1,
        )
        url = database_url(settings)
        verdicts.write_sql(UPDATE, lambda: psycopg.connect(url))
    ray.shutdown()


def _filesystem(settings: Settings) -> pyarrow.fs.S3FileSystem:
    access, secret, token = s3_keys(settings)
    url = urlsplit(settings.s3_endpoint_url or "")
    return pyarrow.fs.S3FileSystem(
        access_key=access,
        secret_key=secret,
        endpoint_override=url.netloc,
        scheme=url.scheme,
        session_token=token,
        region=settings.signing_region,
        force_virtual_addressing=settings.bucket_addressing == "virtual",
    )
