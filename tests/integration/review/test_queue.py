from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from ml.core.errors import LeaseLost, StorageError
from ml.review.queue import release_tasks, renew_leases, skip_task
from ml.storage.activity_log import history, task_target
from ml.storage.review_queue import count_tasks, list_claimed
from ml.storage.task_filters import Filters
from tests.integration.review.queue_fixture import NIGHT, Room

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


def test_two_reviewers_never_hold_one_task(room: Room) -> None:
    tasks = {room.task(f"{n}.jpg") for n in range(3)}
    first, second = room.claimed("ann", count=2), room.claimed("bob", count=2)
    assert (len(first), len(second)) == (2, 1)
    assert {*first, *second} == tasks
    assert room.claimed("cy") == []


def test_claimed_task_has_the_fields_of_the_page(room: Room) -> None:
    task_id = room.task("a.jpg", score=0.7, reasons=("low_confidence",))
    (task,) = room.claim()
    assert (task.task_id, task.object_key, task.etag) == (task_id, "a.jpg", "e1")
    assert (task.reasons, task.violation_score, task.kind) == (("low_confidence",), 0.7, "verdict")
    assert task.claimed_until > task.opened_at == NIGHT
    assert room.state(task_id) == ("claimed", "ann")


def test_priority_order_is_by_score_with_second_reviews_last(room: Room) -> None:
    again = room.task("a.jpg", score=0.99, kind="second_review")
    low, high, middle = (room.task(f"{s}.jpg", score=s) for s in (0.1, 0.9, 0.4))
    assert room.claimed(count=2) == [high, middle]
    assert room.claimed(count=5) == [low, again]


def test_oldest_order_is_by_opening_time(room: Room) -> None:
    late = room.task("a.jpg", opened_at=NIGHT + DAY)
    early = room.task("b.jpg", opened_at=NIGHT)
    assert room.claimed(order="oldest", count=2) == [early, late]


def test_task_with_an_expired_lease_is_claimed_in_order(room: Room) -> None:
    first, second = room.task("a.jpg", score=0.9), room.task("b.jpg", score=0.8)
    assert room.claimed("ann") == [first]
    assert room.claimed("bob") == [second]
    room.lapse(first)
    third = room.task("c.jpg", score=0.5)
    assert room.claimed("cy", count=2) == [first, third]
    assert room.state(first) == ("claimed", "cy")


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (Filters(reasons=("low_confidence", "appeal")), ["b"]),
        (Filters(reasons=()), []),
        (Filters(kind="second_review"), ["c"]),
        (Filters(product_id="7"), ["b", "c"]),
        (Filters(product_id="8"), []),
        (Filters(since=NIGHT + DAY), ["b", "c"]),
        (Filters(until=NIGHT + DAY), ["a"]),
        (Filters(since=NIGHT + DAY, product_id="7", kind="verdict"), ["b"]),
    ],
)
def test_filters(room: Room, filters: Filters, wanted: list[str]) -> None:
    for number, key in enumerate("abc"):
        room.photo(key, product=7 if number else 1)
    room.task("a")
    room.task("b", reasons=("screen:qr", "low_confidence"), opened_at=NIGHT + DAY)
    room.task("c", kind="second_review", opened_at=NIGHT + 2 * DAY)
    found = room.act(lambda c: count_tasks(c, commerce=room.commerce, filters=filters))
    assert found.open_count == len(wanted)
    tasks = room.claim(count=9, filters=filters, order="oldest")
    assert [task.object_key for task in tasks] == wanted


def test_skipped_task_is_offered_last(room: Room) -> None:
    hard, easy = room.task("a.jpg", score=0.9), room.task("b.jpg", score=0.1)
    assert room.claimed("ann") == [hard]
    for _ in range(2):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=hard))
    assert room.state(hard) == ("open", None)
    assert room.claimed("ann") == [easy]
    assert room.claimed("ann") == [hard]
    room.act(lambda c: release_tasks(c, reviewer="ann"))
    assert room.claimed("bob") == [hard]
    done = room.act(lambda c: history(c, task_target(hard)))
    assert [(a.actor, a.action) for a in done] == [("ann", "skip")]


def test_only_a_claimed_task_can_be_skipped(room: Room) -> None:
    task_id = room.task("a.jpg")
    with pytest.raises(LeaseLost, match="in the queue"):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=task_id))
    room.claimed("bob")
    with pytest.raises(LeaseLost, match="with bob"):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=task_id))
    with pytest.raises(StorageError, match="no review task"):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=999))


def test_decision_ends_the_lease_and_is_logged(room: Room) -> None:
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
def test_decision_repeated_after_the_lease_is_written_once(room: Room, at: datetime | None) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    for _ in range(2):
        room.decide(task_id, "violate", at=at)
    assert room.execute("select count(*) from moderation.human_label") == [(1,)]
    assert len(room.act(lambda c: history(c, task_target(task_id)))) == 1


def test_expired_lease_is_valid_until_another_claim(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    room.lapse(task_id)
    room.decide(task_id, "normal")
    assert room.state(task_id)[0] == "decided"


def test_decision_without_the_lease_is_rejected(room: Room) -> None:
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


def test_released_task_cannot_be_decided(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed()
    room.act(lambda c: release_tasks(c, reviewer="ann"))
    with pytest.raises(LeaseLost):
        room.decide(task_id, "normal")


def test_two_tasks_of_one_content_decided_at_once_both_close(room: Room) -> None:
    first, second = room.task("a.jpg"), room.task("a.jpg", kind="second_review")
    for task_id in (first, second):
        room.decide(task_id, "normal", lease=False, at=NIGHT)
    assert {room.state(first)[0], room.state(second)[0]} == {"decided"}


@pytest.mark.parametrize("table", ["activity", "appeal", "decision_undo"])
def test_history_cannot_be_deleted(room: Room, table: str) -> None:
    with pytest.raises(DBAPIError, match="its rows are history"):
        room.execute(f"delete from moderation.{table}")  # noqa: S608 - a name from above


def test_claimed_task_without_a_holder_is_rejected_by_the_database(room: Room) -> None:
    room.task("a.jpg")
    with pytest.raises(DBAPIError, match="review_task_lease"):
        room.execute("update moderation.review_task set state = 'claimed'")


def test_renewal_returns_only_the_leases_that_hold(room: Room) -> None:
    kept, lost = room.task("a.jpg", score=0.9), room.task("b.jpg", score=0.8)
    mine = room.claimed("ann", count=2)
    for task_id in mine:
        room.lapse(task_id)
    assert room.claimed("bob") == [kept]
    room.decide(kept, "normal", "bob")
    left = room.act(lambda c: renew_leases(c, reviewer="ann", task_ids=mine, lease_seconds=60))
    assert left == [lost]
    assert room.claimed("cy") == []


def test_release_reopens_only_own_tasks(room: Room) -> None:
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
