"""Try a model that is to be installed in a process of its own, which knows no secrets.

onnxruntime runs what the file says: one that takes all memory, runs for hours or crashes it ends
that process alone.
"""

import resource
import time

import numpy as np

from ml.core.errors import SignalError, WorkerDied
from ml.core.message_channel import Message
from ml.core.worker_loop import serve
from ml.core.worker_process import WorkerProcess
from ml.models.signals.card import SignalCard, parse_card
from ml.models.signals.predictor import SignalPredictor

TRIAL_SECONDS = 120.0  # of a processor
_MAX_MEMORY = 4 * 2**30  # bytes
_PHOTOS = 4


def run_trial(data: bytes, card: SignalCard, *, cpu_seconds: float = TRIAL_SECONDS) -> float:
    """Load and compute a model; returns processor seconds of a photo, on one core.

    Raises:
        SignalError: it cannot be used; says why.
        WorkerFailed: no process starts.
    """
    process = WorkerProcess(
        __name__, input_bytes=max(1, len(data)), output_bytes=1, cpu_seconds=cpu_seconds
    )
    try:
        result = process.run(card.model_dump_json(), {}, data)
    except WorkerDied as error:
        raise SignalError(f"{card.name} cannot be used, trying it failed: {error}") from error
    finally:
        process.kill()
    if "error" in result:
        raise SignalError(result["error"])
    return float(result["seconds"])


def _make_work(config: str) -> "_Trial":
    return _Trial(parse_card(config.encode(), source="the card"))


class _Trial:
    """The work of one card; see `ml.core.worker_loop.Work`."""

    def __init__(self, card: SignalCard) -> None:
        self._card = card

    def __call__(self, _request: Message, data: bytes, _output: memoryview) -> Message:
        resource.setrlimit(resource.RLIMIT_DATA, (_MAX_MEMORY, _MAX_MEMORY))
        try:
            predictor = SignalPredictor(self._card, data, threads=1)
        except SignalError as error:
            return {"error": str(error)}
        size = self._card.input.size
        photos = [np.full((3, size, size), 128, np.uint8)] * _PHOTOS
        start = time.process_time()
        predictor.scores(photos)
        return {"seconds": (time.process_time() - start) / _PHOTOS}


if __name__ == "__main__":
    serve(_make_work, 1)
