from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DBAPIError

from ml.core.errors import LeaseLost
from ml.review.lease import release_tasks, renew_leases
from ml.storage.activity_log import history, task_target
from ml.storage.review_queue import list_claimed
from tests.integration.review.queue_fixture import NIGHT, Room

pytestmark = pytest.mark.integration


def test_a_decision_ends_the_lease_and_is_on_record(room: Room) -> None:
    room.photo("a.jpg")
    task_id = room.task("a.jpg")
    room.claimed()
    room.decide(task_id, "violate")
    assert room.state(task_id) == ("decided", None)
    assert room.shown("a.jpg")[0] == "block"
    (done,) = room.act(lambda c: history(c, task_target(task_id)))
    assert (done.actor, done.action, done.detail["label"]) == ("ann", "decide", "violate")
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
    room.act(lambda c: release_tasks(c, reviewer="ann"))
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


def test_a_renewed_lease_holds_and_a_lost_one_is_told(room: Room) -> None:
    kept, lost = room.task("a.jpg", score=0.9), room.task("b.jpg", score=0.8)
    mine = room.claimed("ann", count=2)
    for task_id in mine:
        room.lapse(task_id)
    assert room.claimed("bob") == [kept]
    room.decide(kept, "normal", "bob")
    left = room.act(lambda c: renew_leases(c, reviewer="ann", task_ids=mine, lease_seconds=60))
    assert left == [lost]
    assert room.claimed("cy") == []


def test_a_closed_browser_gives_back_what_it_held(room: Room) -> None:
    tasks = [room.task(f"{n}.jpg") for n in range(3)]
    others = room.claimed("bob")
    room.claimed("ann", count=2)
    mine = room.act(lambda c: list_claimed(c, reviewer="ann"))
    one = mine[0].task_id
    assert room.act(lambda c: release_tasks(c, reviewer="ann", task_ids=[one, *others])) == [one]
    assert len(room.act(lambda c: release_tasks(c, reviewer="ann"))) == 1
    assert room.act(lambda c: release_tasks(c, reviewer="ann")) == []
    assert room.act(lambda c: list_claimed(c, reviewer="ann")) == []
    assert [room.state(t)[0] for t in tasks].count("open") == 2
    assert room.state(others[0]) == ("claimed", "bob")
