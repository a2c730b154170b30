"""Daft, as its guide to batch inference has it: `download`, a function, a class with the model."""

from typing import Any

import daft
import numpy as np
import psycopg
from daft import DataType, Series, col
from daft.functions import download
from daft.io import IOConfig, S3Config

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
from ml.core.concurrency import batched
from ml.core.settings import Settings

_PREPARED = 8  # photos of a call of the function that decodes: they run on all cores


@daft.cls
class _Photos:
    def __init__(self, folder: str) -> None:
        self._cropper = Cropper(folder)

    @daft.method.batch(return_dtype=DataType.python(), batch_size=_PREPARED)  # type: ignore[untyped-decorator]  # daft may not be installed
    def crop(self, data: Series) -> list[Any]:
        return [self._cropper.crop(each) for each in data.to_pylist()]


@daft.cls(max_concurrency=1)
class _Model:
    def __init__(self, job: Job) -> None:
        self._classifier = Classifier(job)

    @daft.method.batch(return_dtype=DataType.string(), batch_size=BATCH)  # type: ignore[untyped-decorator]  # as above
    def status(self, pixels: Series) -> list[str]:
        return self._classifier.statuses(np.stack(pixels.to_pylist()))


def run(job: Job, settings: Settings, report: Report) -> None:
    """Classify the photos with Daft's own engine (its native runner)."""
    daft.set_runner_native()
    urls = [f"s3://{settings.photo_bucket}/{key}" for key in job.keys]
    with report.measured():
        photos = daft.from_pydict({"key": job.keys, "url": urls})
        photos = photos.with_column("data", download(col("url"), io_config=_io_config(settings)))
        photos = photos.with_column("pixels", _Photos(job.folder).crop(col("data")))
        photos = photos.with_column("status", _Model(job).status(col("pixels")))
        rows = photos.select("status", "key").iter_rows()
        with psycopg.connect(database_url(settings)) as connection:
            for some in batched(rows, BATCH):
                connection.cursor().executemany(
                    UPDATE, [(row["status"], row["key"]) for row in some]
                )
                connection.commit()


def _io_config(settings: Settings) -> IOConfig:
    access, secret, token = s3_keys(settings)
    return IOConfig(
        s3=S3Config(
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.signing_region,
            key_id=access,
            access_key=secret,
            session_token=token,
            use_ssl=(settings.s3_endpoint_url or "").startswith("https"),
            force_virtual_addressing=settings.bucket_addressing == "virtual",
        )
    )
