"""A decode worker that sleeps as long as the photo's bytes say: `python -m` of `scaling`."""

import time

from benchmarks.sleep_bytes import seconds_of
from ml.core.message_channel import Message
from ml.core.worker_loop import Work, serve
from ml.moderation.pipeline.decode_worker import OUTPUT_BYTES, WorkerConfig


def _make_work(config: str) -> Work:
    crop = WorkerConfig.model_validate_json(config).preprocessing.crop
    pixels = bytes(3 * crop**2)

    def sleep(_request: Message, data: bytes, output: memoryview) -> Message:
        time.sleep(seconds_of(data))
        output[: len(pixels)] = pixels
        return {
            "content": ["0" * 64, 100, 2000, 1500],
            "views": 1,
            "sha256": "0" * 64,
            "cpu_seconds": 0.0,
            "seconds": {},
        }

    return sleep


if __name__ == "__main__":
    serve(_make_work, OUTPUT_BYTES)
