"""A pool of worker processes: reuse, spares for overdue work, random kills, and no leaks."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import psutil
import pytest

from ml.core.errors import WorkerDied, WorkerFailed
from ml.core.worker_pool import WorkerKind, WorkerPool
from tests.support.worker import OUTPUT_BYTES

KIND = WorkerKind("tests.support.worker", 100_000, OUTPUT_BYTES, 30.0)


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    opened = WorkerPool(KIND, size=2)
    yield opened
    opened.close()
    assert opened._idle == []


def run(pool: WorkerPool, do: str = "echo", *, fresh: bool = False, **request: object) -> int:
    """The process id of the worker that did it."""
    with pool.worker(fresh=fresh) as worker:
        done = worker.process.run(
            "any", {"do": do, **request}, b"x", on_overdue=worker.mark_overdue
        )
        return int(done["pid"])


def test_pool_reuses_its_workers(pool: WorkerPool) -> None:
    assert len({run(pool) for _ in range(20)}) == 1


def test_pool_starts_no_more_workers_than_its_size(pool: WorkerPool) -> None:
    with ThreadPoolExecutor(8) as threads:
        pids = set(threads.map(lambda _: run(pool, "sleep", seconds=0.02), range(40)))
    assert len(pids) == 2
    assert len(pool._idle) == 2


def test_pool_replaces_a_worker_that_died(pool: WorkerPool) -> None:
    first = run(pool)
    with pytest.raises(WorkerDied):
        run(pool, "crash")
    assert run(pool) != first


def test_closed_pool_works_and_keeps_no_worker(pool: WorkerPool) -> None:
    run(pool)
    pool.close()
    pool.start()
    run(pool)
    assert pool._idle == []


def test_a_fresh_worker_has_just_started(pool: WorkerPool) -> None:
    kept = run(pool)
    assert run(pool, fresh=True) != kept


def test_work_that_is_overdue_leaves_its_place_to_others(pool: WorkerPool) -> None:
    with ThreadPoolExecutor(4) as threads:
        slow = [threads.submit(run, pool, "sleep", seconds=6.0) for _ in range(2)]
        time.sleep(0.2)
        began = time.monotonic()
        quick = {threads.submit(run, pool).result() for _ in range(5)}
        assert time.monotonic() - began < 5.0
        assert not any(work.done() for work in slow)
        time.sleep(1.0)  # until both are overdue
        niceness = {worker.pid: worker.nice() for worker in workers()}
        overdue = {work.result() for work in slow}
    usual = psutil.Process().nice()
    assert all(niceness[pid] == usual for pid in quick)
    assert all(niceness[pid] > usual for pid in overdue)
    # They are not used again, but replaced.
    assert len(pool._idle) == 2
    assert overdue.isdisjoint(worker.pid for worker in workers())
    assert all(worker.nice() == usual for worker in workers())


def test_work_that_leaves_its_place_is_joined_by_a_spare_worker_that_is_kept(
    pool: WorkerPool,
) -> None:
    pool.keep_spares()
    with ExitStack() as slow:
        for _ in range(2):
            slow.enter_context(pool.worker()).leave_place()
        spare = run(pool)
    assert len(pool._idle) == 3
    assert spare in {process.pid for process in pool._idle}


def test_pool_does_not_use_a_worker_that_died_while_idle(pool: WorkerPool) -> None:
    first = run(pool)
    pool._idle[0]._process.kill()
    pool._idle[0]._process.wait()
    assert run(pool) != first


def test_killing_workers_at_random_loses_no_work_and_repeats_none(pool: WorkerPool) -> None:
    done: list[int] = []
    kills = 0
    stop = threading.Event()

    def kill_some() -> None:
        nonlocal kills
        draw = random.Random(5)  # noqa: S311 - any order works
        while kills < 8 and not stop.wait(0.2):
            with suppress(psutil.NoSuchProcess, IndexError):
                draw.choice(workers()).kill()
                kills += 1

    def work(number: int) -> None:
        while True:
            try:
                run(pool, "sleep", seconds=0.01)
            except (WorkerDied, WorkerFailed):
                continue
            done.append(number)
            return

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(150)))
    finally:
        stop.set()
        killer.join()
    assert kills >= 3
    assert sorted(done) == list(range(150))
    assert len(workers()) <= 2


def workers() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if KIND.module in process.cmdline():
                found.append(process)
    return found
