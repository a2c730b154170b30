"""The decode workers of this process, and the check whether they work at all."""

import atexit
import io
import os
from functools import cache

from PIL import Image

from ml.core.errors import WorkerDied, WorkerFailed
from ml.core.settings import Settings
from ml.core.worker_pool import WorkerKind, WorkerPool
from ml.moderation.pipeline import decode_worker
from ml.moderation.pipeline.decode_worker import OUTPUT_BYTES, WorkerConfig
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import ARTICLE


def decode_pool(settings: Settings) -> WorkerPool:
    """The decode workers by these settings; all runs of a process share them."""
    kind = WorkerKind(
        decode_worker.__name__, settings.max_image_bytes, OUTPUT_BYTES, settings.decode_seconds
    )
    return _shared_pool(kind, settings.decode_workers)


@cache
def _shared_pool(kind: WorkerKind, size: int) -> WorkerPool:
    pool = WorkerPool(kind, size=size)
    atexit.register(pool.close)
    return pool


os.register_at_fork(after_in_child=_shared_pool.cache_clear)  # the workers are the parent's


def check_workers(settings: Settings) -> None:
    """Have a fresh worker decode a flawless photo.

    Raises:
        WorkerFailed: it does not start, or ends.
    """
    config = WorkerConfig(limits=decode_limits(settings), preprocessing=ARTICLE).model_dump_json()
    try:
        with decode_pool(settings).worker(fresh=True) as worker:
            worker.process.run(config, {"shadow": False}, _flawless_photo())
    except WorkerDied as error:
        raise WorkerFailed(
            f"decoding a flawless photo: {error}; is there memory for MODERATION_DECODE_WORKERS "
            "more processes, and is MODERATION_DECODE_SECONDS not too low?"
        ) from error


def _flawless_photo() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, "JPEG")
    return file.getvalue()
