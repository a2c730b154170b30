import pytest

from ml.review.queue import claim_again
from tests.integration.review.room import Room

pytestmark = pytest.mark.integration


def _again(room: Room, task_id: int, reviewer: str = "ann") -> bool:
    return room.act(lambda c: claim_again(c, reviewer=reviewer, task_id=task_id, lease_seconds=60))


def test_an_undone_task_is_its_reviewers_again(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    room.decide(task_id, "normal")
    assert not _again(room, task_id)
    room.undo(task_id)
    for _ in range(2):
        assert _again(room, task_id)
    assert room.state(task_id) == ("claimed", "ann")
    assert room.claimed("bob") == []


def test_another_persons_task_is_not_taken(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed("bob")
    assert not _again(room, task_id)
    assert room.state(task_id) == ("claimed", "bob")
    room.lapse(task_id)
    assert _again(room, task_id)
    assert room.state(task_id) == ("claimed", "ann")
