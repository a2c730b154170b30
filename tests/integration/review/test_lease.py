from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DBAPIError

from ml.errors import LeaseLost
from ml.review.activity import history, task_target
from ml.review.queue import release
from tests.integration.review.room import NIGHT, Room

pytestmark = pytest.mark.integration


def test_a_decision_ends_the_lease_and_is_on_record(room: Room) -> None:
    room.photo("a.jpg")
    task_id = room.task("a.jpg")
    room.claimed()
    room.decide(task_id, "violate")
    assert room.state(task_id) == ("decided", None)
    assert room.shown("a.jpg")[0] == "block"
    (done,) = room.act(lambda c: history(c, task_target(task_id)))
    assert (done.who, done.what, done.detail["label"]) == ("ann", "decide", "violate")
    assert done.detail["status"] == "block"


@pytest.mark.parametrize("at", [None, datetime(2026, 11, 2, tzinfo=UTC)])
def test_the_answer_that_was_lost_is_given_again_after_the_lease(
    room: Room, at: datetime | None
) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    for _ in range(2):
        room.decide(task_id, "violate", at=at)
    assert room.execute("select count(*) from moderation.human_label") == [(1,)]
    assert len(room.act(lambda c: history(c, task_target(task_id)))) == 1


def test_a_lease_that_ran_out_is_good_while_nobody_took_the_task(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    room.lapse(task_id)
    room.decide(task_id, "normal")
    assert room.state(task_id)[0] == "decided"


def test_a_lost_lease_decides_nothing(room: Room) -> None:
    room.photo("a.jpg")
    task_id = room.task("a.jpg")
    with pytest.raises(LeaseLost, match="not with ann"):
        room.decide(task_id, "normal", "ann")
    room.claimed("ann")
    room.lapse(task_id)
    room.claimed("bob")
    with pytest.raises(LeaseLost, match="with bob"):
        room.decide(task_id, "normal", "ann")
    room.decide(task_id, "violate", "bob")
    with pytest.raises(LeaseLost, match="decided meanwhile"):
        room.decide(task_id, "normal", "ann")
    assert room.shown("a.jpg")[0] == "block"
    assert room.execute("select reviewer from moderation.human_label") == [("bob",)]


def test_what_was_given_back_is_no_longer_ones_own(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    room.act(lambda c: release(c, reviewer="ann"))
    with pytest.raises(LeaseLost):
        room.decide(task_id, "normal")


def test_two_tasks_of_one_content_decided_at_one_moment_both_close(room: Room) -> None:
    first, second = room.task("a.jpg"), room.task("a.jpg", kind="second_review")
    for task_id in (first, second):
        room.decide(task_id, "normal", lease=False, at=NIGHT)
    assert {room.state(first)[0], room.state(second)[0]} == {"decided"}


@pytest.mark.parametrize("table", ["activity", "appeal", "decision_undo"])
def test_the_record_cannot_be_changed(room: Room, table: str) -> None:
    with pytest.raises(DBAPIError, match="its rows are history"):
        room.execute(f"delete from moderation.{table}")  # noqa: S608 - a name from above


def test_a_claimed_task_has_a_holder_or_the_database_refuses(room: Room) -> None:
    room.task("a.jpg")
    with pytest.raises(DBAPIError, match="review_task_lease"):
        room.execute("update moderation.review_task set state = 'claimed'")
