"""Damaged files of every format through the decode workers: an outcome each, and no leak."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.core.concurrency import StageTimer, bounded_map
from ml.core.settings import Settings
from ml.core.types import PendingImage, RejectedImage
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.preprocessing import PreparedImage, Preprocessor
from ml.vision.images.preprocess import ARTICLE
from tests.support.decoding import decode_workers
from tests.unit.vision.images.pictures import damaged, encoded, photo

CPU_SECONDS = 16.5  # workers of its own
MAX_GROWTH = 1.25  # of the workers' memory
FORMATS: list[tuple[str, dict[str, object]]] = [
    ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}),
    ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {}), ("AVIF", {}), ("HEIF", {}),
]  # fmt: skip


def damaged_files(number: int) -> Iterator[bytes]:
    draw = random.Random(11)  # noqa: S311 - any order works
    whole = [encoded(photo(400, 300, seed=n), name, **how) for n, (name, how) in enumerate(FORMATS)]
    for n in range(number):
        junk = draw.randbytes(draw.choice((1, 2, 8, 64)))
        cut = draw.choice((1.0, 1.0, draw.random()))
        yield damaged(whole[n % len(whole)], junk, at=draw.random() ** 2, cut=cut)


def mebibytes() -> float:
    return sum(worker.memory_full_info().pss for worker in decode_workers(CPU_SECONDS)) / 2**20


def kind_of(outcome: PreparedImage | RejectedImage) -> str:
    if isinstance(outcome, PreparedImage):
        return "prepared"
    assert " tries, " not in outcome.error.detail  # no file ended its worker
    return outcome.error.reason.value


@pytest.mark.parametrize("files", [200, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_damaged_files_have_an_outcome_each_and_leak_nothing(files: int) -> None:
    used = Settings(decode_seconds=CPU_SECONDS, decode_workers=2, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own argument
    preprocessor = Preprocessor(ARTICLE, used, StageTimer())
    outcomes: Counter[str] = Counter()
    early = 0.0
    with ThreadPoolExecutor(4) as threads:
        photos = (Fetched(PendingImage("", "", len(data)), data) for data in damaged_files(files))
        for outcome in bounded_map(threads, preprocessor.prepare, photos, ahead=8):
            outcomes[kind_of(outcome)] += 1
            if outcomes.total() == files // 4:
                early = mebibytes()
    assert outcomes.total() == files
    assert outcomes["prepared"] > files / 10
    assert outcomes["corrupt"] + outcomes["truncated"] > files / 10
    assert len(decode_workers(CPU_SECONDS)) <= used.decode_workers
    assert mebibytes() < MAX_GROWTH * early
