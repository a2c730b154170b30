from datetime import timedelta

import pytest

from ml.core.errors import LeaseLost, StorageError
from ml.review.lease import release_tasks
from ml.review.queue import skip_task
from ml.storage.activity_log import history, task_target
from ml.storage.review_queue import count_tasks
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


def test_a_claim_brings_what_the_page_needs(room: Room) -> None:
    task_id = room.task("a.jpg", score=0.7, reasons=("low_confidence",))
    (task,) = room.claim()
    assert (task.task_id, task.object_key, task.etag) == (task_id, "a.jpg", "e1")
    assert (task.reasons, task.violation_score, task.kind) == (("low_confidence",), 0.7, "verdict")
    assert task.claimed_until > task.opened_at == NIGHT
    assert room.state(task_id) == ("claimed", "ann")


def test_priority_is_the_models_verdicts_by_score_then_second_looks(room: Room) -> None:
    again = room.task("a.jpg", score=0.99, kind="second_review")
    low, high, middle = (room.task(f"{s}.jpg", score=s) for s in (0.1, 0.9, 0.4))
    assert room.claimed(count=2) == [high, middle]
    assert room.claimed(count=5) == [low, again]


def test_oldest_is_by_the_time_of_opening(room: Room) -> None:
    late = room.task("a.jpg", opened_at=NIGHT + DAY)
    early = room.task("b.jpg", opened_at=NIGHT)
    assert room.claimed(order="oldest", count=2) == [early, late]


def test_a_lease_that_ran_out_goes_to_the_next_in_its_order(room: Room) -> None:
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


def test_a_skipped_task_goes_to_others_and_comes_back_last(room: Room) -> None:
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


def test_only_what_is_held_can_be_skipped(room: Room) -> None:
    task_id = room.task("a.jpg")
    with pytest.raises(LeaseLost, match="in the queue"):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=task_id))
    room.claimed("bob")
    with pytest.raises(LeaseLost, match="with bob"):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=task_id))
    with pytest.raises(StorageError, match="no review task"):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=999))
