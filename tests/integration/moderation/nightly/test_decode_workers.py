"""A nightly run whose decode workers die: costly photos, and workers killed at random."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psutil
import pytest

from ml.core.worker_process import WorkerProcess
from tests.support.decoding import costly_photo, decode_workers
from tests.support.nightly_run import delete_results, dump_results, run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def with_deadline(shop: Shop, cpu_seconds: float) -> Shop:
    settings = shop.settings.model_copy(update={"decode_seconds": cpu_seconds})
    return replace(shop, settings=settings)


def test_photo_over_the_deadline_is_quarantined_and_the_others_are_judged(shop: Shop) -> None:
    strict = with_deadline(shop, 0.1)
    costly = strict.upload("costly.png", costly_photo())
    others = [strict.upload(f"{n}.jpg", photo(BRIGHT, seed=n)) for n in range(12)]
    run_nightly(strict)
    [(key, reason, detail)] = strict.rows(
        "select object_key, reason, detail from moderation.quarantine"
    )
    assert (key, reason) == (costly, "too_costly")
    assert "SIGPROF" in str(detail)
    assert {strict.status(key) for key in others} == {"pass"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ids of workers that have started; one that is killed before has done nothing yet."""
    pids: set[int] = set()
    await_start = WorkerProcess.await_start

    def note(worker: WorkerProcess) -> None:
        await_start(worker)
        pids.add(worker.pid)

    monkeypatch.setattr(WorkerProcess, "await_start", note)
    return pids


@contextmanager
def killed_workers(cpu_seconds: float, started: set[int], *, kills: int) -> Iterator[list[int]]:
    """Kill one of the started workers at random, so many times."""
    killed: list[int] = []
    stop = threading.Event()
    draw = random.Random(3)  # noqa: S311 - any order works

    def kill_some() -> None:
        while len(killed) < kills and not stop.wait(draw.uniform(0, 0.4)):
            with suppress(psutil.NoSuchProcess, IndexError):
                process = draw.choice([p for p in decode_workers(cpu_seconds) if p.pid in started])
                process.kill()
                killed.append(process.pid)

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()


@pytest.mark.parametrize(
    ("photos", "kills"), [(100, 3), pytest.param(5000, 100, marks=pytest.mark.slow)]
)
@pytest.mark.timeout(1800)
def test_workers_killed_at_random_change_no_result(
    shop: Shop, started: set[int], photos: int, kills: int
) -> None:
    own = with_deadline(shop, 17.5)
    for n in range(photos):
        own.upload(f"{n:04}.jpg", photo((BRIGHT, DARK)[n % 2], seed=n, size=(900, 700)))
    run_nightly(own)
    undisturbed = dump_results(own)
    delete_results(own)
    with killed_workers(17.5, started, kills=kills) as killed:
        run_nightly(own)
    assert dump_results(own) == undisturbed
    assert len(killed) == kills
    assert len(decode_workers(17.5)) <= own.settings.decode_workers
