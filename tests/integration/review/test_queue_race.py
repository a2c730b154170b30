"""Many reviewers at once, on the real database."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from sqlalchemy import Engine, create_engine

from ml.core.errors import LeaseLost
from ml.review.queue import claim_tasks
from tests.integration.review.queue_fixture import Room

pytestmark = pytest.mark.integration

REVIEWERS = 20
TASKS = 10_000
AT_ONCE = 25


@pytest.fixture
def crowd(room: Room) -> Iterator[Engine]:
    engine = create_engine(room.engine.url, pool_size=REVIEWERS, max_overflow=0)
    yield engine
    engine.dispose()


def _fill(room: Room) -> None:
    room.execute(
        "insert into moderation.review_task (object_key, etag, content_sha256, model_hash, "
        "policy_version, reasons, violation_score, priority, run_id) "
        "select i || '.jpg', 'e', 'sha', 'm', 'p', '{low_confidence}', (i % 100) / 100.0, "
        "(i % 100) / 100.0, 'night' "
        "from generate_series(1, :tasks) i",
        tasks=TASKS,
    )


def test_concurrent_claims_take_each_task_once(room: Room, crowd: Engine) -> None:
    _fill(room)
    start = Barrier(REVIEWERS)

    def work(reviewer: str) -> list[int]:
        mine: list[int] = []
        start.wait()
        while True:
            with crowd.begin() as connection:
                tasks = claim_tasks(
                    connection, reviewer=reviewer, count=AT_ONCE, lease_seconds=600,
                    commerce=room.commerce,
                )  # fmt: skip
            if not tasks:
                return mine
            mine += [task.task_id for task in tasks]

    names = [f"reviewer-{n}" for n in range(REVIEWERS)]
    with ThreadPoolExecutor(REVIEWERS) as pool:
        taken = dict(zip(names, pool.map(work, names), strict=True))
    everything = [task_id for tasks in taken.values() for task_id in tasks]
    assert len(everything) == len(set(everything)) == TASKS
    assert sum(len(tasks) > 0 for tasks in taken.values()) > 1
    holders = room.execute(
        "select claimed_by, count(*) from moderation.review_task where state = 'claimed' group by 1"
    )
    assert Counter(dict(holders)) == Counter({name: len(tasks) for name, tasks in taken.items()})


def test_decision_during_another_claim_is_rejected(room: Room, crowd: Engine) -> None:
    """The second reviewer waits for the transaction of the claim, then gets its result."""
    task_id = room.task("a.jpg")
    room.claimed("ann")
    room.lapse(task_id)
    waiting = Event()

    def decide_late() -> None:
        waiting.set()
        room.decide(task_id, "normal", "ann")

    with ThreadPoolExecutor(1) as pool:
        with crowd.begin() as connection:
            taken = claim_tasks(
                connection, reviewer="bob", lease_seconds=60, commerce=room.commerce
            )
            late = pool.submit(decide_late)
            waiting.wait()
            with pytest.raises(TimeoutError):
                late.result(timeout=0.3)
        with pytest.raises(LeaseLost, match="with bob"):
            late.result(timeout=10)
    assert [task.task_id for task in taken] == [task_id]
    assert room.execute("select count(*) from moderation.human_label") == [(0,)]
