"""What the photos of a nightly run cost at least: fetch, decode and forward, each alone."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from benchmarks.peers.job import Job, Report
from ml.core.concurrency import StageTimer, batched
from ml.core.errors import StorageError
from ml.core.settings import Settings
from ml.core.types import PendingImage
from ml.moderation.pipeline.fetch import Fetched, Fetcher
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.moderation.pipeline.preprocessing import Pixels
from ml.policy.schema import load_policy
from ml.storage.connections import open_connections
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import DecodePlan, prepare

A = TypeVar("A")
B = TypeVar("B")


def run(job: Job, settings: Settings, report: Report) -> None:
    """Report processor seconds of each stage, by the functions of the nightly run, without screens.

    Raises:
        ImageRejected, StorageError: a photo could not be read or decoded.
    """
    connections, timer = open_connections(settings), StageTimer()
    store = connections.photos
    loader = ModelLoader(load_policy(settings.policy_file), settings, connections)
    predictor = loader.load(job.model_hash, loader.choose(job.model_hash).computation)
    plan, spec = DecodePlan(decode_limits(settings)), predictor.card.preprocessing

    def decode(photo: Fetched) -> Pixels:
        content_hash(photo.data)
        image = plan.for_model(plan.decode(photo.data, spec).image, spec)
        perceptual_hash(image)
        return prepare(image, spec)

    fetcher = Fetcher(store, settings.max_image_bytes, timer)
    images = [
        PendingImage(each.key, each.etag, each.size_bytes)
        for page in store.list_pages(job.prefix)
        for each in page
    ]
    fetcher.fetch(images[0])  # the first read of a process is by boto3
    with report.measured():
        fetched = _timed(report, "fetch", fetcher.fetch, images)
        photos = [photo for photo in fetched if isinstance(photo, Fetched)]
        pixels = _timed(report, "decode", decode, photos)
        batches = list(batched(pixels, predictor.batch_size))
        predictor.logits(batches[0])  # warm-up: the first pass prepares the kernels
        _timed(report, "forward", predictor.logits, batches)
    if len(pixels) != len(job.keys):
        raise StorageError(f"{len(pixels)} of {len(job.keys)} photos could be read")


def _timed(report: Report, stage: str, function: Callable[[A], B], items: Sequence[A]) -> list[B]:
    start = time.process_time()
    results = [function(item) for item in items]
    report.stages[stage] = time.process_time() - start
    return results
