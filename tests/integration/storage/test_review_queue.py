from datetime import timedelta

import pytest
from sqlalchemy.exc import ProgrammingError

from ml.storage.review_queue import count_tasks, reclaim_task
from tests.integration.review.queue_fixture import NIGHT, Room

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


def _again(room: Room, task_id: int, reviewer: str = "ann") -> bool:
    return room.act(lambda c: reclaim_task(c, reviewer=reviewer, task_id=task_id, lease_seconds=60))


def test_reclaim_task_after_undo_returns_it_to_its_reviewer(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    room.decide(task_id, "normal")
    assert not _again(room, task_id)
    room.undo(task_id)
    for _ in range(2):
        assert _again(room, task_id)
    assert room.state(task_id) == ("claimed", "ann")
    assert room.claimed("bob") == []


def test_reclaim_task_of_another_reviewer_fails(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed("bob")
    assert not _again(room, task_id)
    assert room.state(task_id) == ("claimed", "bob")
    room.lapse(task_id)
    assert _again(room, task_id)
    assert room.state(task_id) == ("claimed", "ann")


def test_count_tasks_is_exact_and_has_the_longest_wait(room: Room) -> None:
    tasks = [room.task(f"{n}.jpg", opened_at=NIGHT + n * DAY) for n in range(4)]
    room.claimed("ann", order="oldest", count=2)
    room.decide(tasks[0], "normal")
    found = room.act(lambda c: count_tasks(c, commerce=room.commerce))
    assert (found.open_count, found.claimed_count) == (2, 1)
    since_third = room.execute("select now() - cast(:at as timestamptz)", at=NIGHT + 2 * DAY)[0][0]
    assert found.oldest_age == pytest.approx(since_third, abs=timedelta(seconds=10))
    room.lapse(tasks[1])
    found = room.act(lambda c: count_tasks(c, commerce=room.commerce))
    assert (found.open_count, found.claimed_count) == (3, 0)
    assert found.oldest_age is not None
    assert found.oldest_age > since_third


def test_count_tasks_of_an_empty_queue_has_no_age(room: Room) -> None:
    found = room.act(lambda c: count_tasks(c, commerce=room.commerce))
    assert (found.open_count, found.claimed_count, found.oldest_age) == (0, 0, None)


def test_count_tasks_without_its_table_raises(room: Room) -> None:
    room.execute("alter table moderation.review_task rename to elsewhere")
    with pytest.raises(ProgrammingError):
        room.act(lambda c: count_tasks(c, commerce=room.commerce))
