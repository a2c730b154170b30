import pytest

from ml.core.errors import StorageError
from ml.review.second_review import appeal_photo, appeal_task
from ml.storage.activity_log import history, task_target
from tests.integration.review.queue_fixture import NIGHT, Room
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _appeals(room: Room) -> list[tuple[object, ...]]:
    return room.execute("select reason, appealed_by from moderation.appeal order by appeal_id")


def test_appealed_task_reopens_and_the_status_stays(room: Room) -> None:
    room.photo("a.jpg")
    task_id = room.task("a.jpg")
    room.decide(task_id, "violate", "ann", lease=False)
    for _ in range(2):
        room.act(lambda c: appeal_task(c, task_id, reason="no", by="buyer"))
    assert _appeals(room) == [("no", "buyer")]
    assert room.shown("a.jpg")[0] == "block"
    (task,) = room.claim("bob")
    assert task.task_id == task_id
    assert task.reasons == ("violation:violate", "appeal")
    assert task.opened_at > NIGHT
    room.decide(task_id, "normal", "bob")
    assert room.shown("a.jpg")[0] == "pass"
    done = room.act(lambda c: history(c, task_target(task_id)))
    assert [(a.actor, a.action) for a in done] == [
        ("ann", "decide"), ("buyer", "appeal"), ("bob", "decide"),
    ]  # fmt: skip
    routes = room.execute("select route from moderation.human_label order by label_id")
    assert routes == [("violation",), ("second_review",)]


def test_decided_appeal_can_be_repeated(room: Room) -> None:
    task_id = room.task("a.jpg")
    for reviewer in ("ann", "bob"):
        room.decide(task_id, "violate", reviewer, lease=False)
        room.act(lambda c: appeal_task(c, task_id, reason="no", by="buyer"))
    assert len(_appeals(room)) == 2
    assert room.state(task_id)[0] == "open"


def test_decider_gets_the_appeal_only_when_no_other_task_is_left(room: Room) -> None:
    task_id = room.task("a.jpg", score=0.9)
    room.decide(task_id, "violate", "ann", lease=False)
    room.act(lambda c: appeal_task(c, task_id, reason="no", by="buyer"))
    other = room.task("b.jpg", score=0.1)
    assert room.claimed("ann") == [other]
    assert room.claimed("ann") == [task_id]


def test_same_label_after_an_appeal_is_a_new_decision(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.decide(task_id, "violate", "ann", lease=False)
    room.act(lambda c: appeal_task(c, task_id, reason="no", by="buyer"))
    room.decide(task_id, "violate", "ann", lease=False)
    assert room.state(task_id)[0] == "decided"
    assert room.execute("select count(*) from moderation.human_label") == [(2,)]


def test_appeal_of_a_claimed_task_keeps_the_claim(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.claimed("ann")
    room.act(lambda c: appeal_task(c, task_id, reason="no", by="buyer"))
    assert room.state(task_id) == ("claimed", "ann")
    assert _appeals(room) == [("no", "buyer")]


def test_photo_without_a_review_task_can_be_appealed(shop: Shop) -> None:
    key = shop.upload("a.jpg", photo(BRIGHT))
    run_nightly(shop)
    room = Room(shop.connections.engine, shop.connections.commerce)
    assert room.claim() == []
    before = room.shown(key)
    appealed = {
        room.act(lambda c: appeal_photo(c, key, reason="indecent", by="reader")) for _ in range(2)
    }
    (task,) = room.claim()
    assert appealed == {task.task_id}
    assert task.reasons == ("confident_normal", "appeal")
    assert room.shown(key) == before
    room.decide(task.task_id, "violate")
    assert shop.status(key) == "block"
    room.undo(task.task_id)
    assert room.shown(key) == before


def test_photo_without_a_verdict_cannot_be_appealed(room: Room) -> None:
    room.photo("a.jpg")
    for key in ("a.jpg", "b.jpg"):
        with pytest.raises(StorageError, match="no verdict"):
            room.act(lambda c, k=key: appeal_photo(c, k, reason="no", by="buyer"))
    with pytest.raises(StorageError, match="no review task"):
        room.act(lambda c: appeal_task(c, 999, reason="no", by="buyer"))
