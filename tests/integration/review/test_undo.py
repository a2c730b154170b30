from datetime import UTC, datetime, timedelta

import pytest

from ml.core.errors import StorageError
from ml.review.second_review import appeal_task
from ml.storage.activity_log import history, task_target
from ml.storage.labels import resolve_labels
from tests.integration.review.queue_fixture import NIGHT, Room
from tests.support.nightly_run import run_nightly
from tests.support.photos import DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _decided(room: Room, key: str, label: str, reviewer: str = "ann") -> int:
    task_id = room.task(key)
    room.decide(task_id, label, reviewer, lease=False)
    return task_id


def _undone(room: Room) -> list[tuple[object, ...]]:
    return room.execute(
        "select h.label, u.undone_by from moderation.decision_undo u "
        "join moderation.human_label h using (label_id) order by label_id"
    )


def test_undo_restores_everything_but_the_history(room: Room) -> None:
    room.photo("a.jpg")
    before = room.shown("a.jpg")
    task_id = _decided(room, "a.jpg", "violate")
    assert room.shown("a.jpg")[0] == "block"
    for _ in range(2):
        room.undo(task_id)
    assert room.state(task_id) == ("open", None)
    assert room.shown("a.jpg") == before == ("review", NIGHT)
    assert _undone(room) == [("violate", "ann")]
    done = room.act(lambda c: history(c, task_target(task_id)))
    assert [a.action for a in done] == ["decide", "undo"]


def test_same_label_after_an_undo_is_a_new_decision(room: Room) -> None:
    room.photo("a.jpg")
    task_id = _decided(room, "a.jpg", "violate")
    room.undo(task_id)
    room.claimed()
    room.decide(task_id, "violate")
    assert room.state(task_id) == ("decided", None)
    assert room.shown("a.jpg")[0] == "block"
    assert room.execute("select count(*) from moderation.human_label") == [(2,)]
    room.undo(task_id)
    assert len(_undone(room)) == 2


def test_undone_label_is_not_resolved(room: Room) -> None:
    task_id = _decided(room, "a.jpg", "violate")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert [t.label for t in room.act(lambda c: resolve_labels(c, as_of=tomorrow))] == ["violate"]
    room.undo(task_id)
    assert room.act(lambda c: resolve_labels(c, as_of=tomorrow)) == []


def test_only_own_last_recent_decision_can_be_undone(room: Room) -> None:
    first, second = _decided(room, "a.jpg", "normal"), _decided(room, "b.jpg", "normal")
    with pytest.raises(StorageError, match=f"decided review task {second} since"):
        room.undo(first)
    with pytest.raises(StorageError, match="bob did not decide"):
        room.undo(second, "bob")
    with pytest.raises(StorageError, match="older than"):
        room.undo(second, within=timedelta(0))
    assert _undone(room) == []
    room.undo(second)
    room.undo(first)
    assert [room.state(t)[0] for t in (first, second)] == ["open", "open"]


def test_undo_keeps_the_decision_of_another_reviewer(room: Room) -> None:
    room.photo("a.jpg")
    task_id = _decided(room, "a.jpg", "violate", "ann")
    room.decide(task_id, "normal", "bob", lease=False)
    shown = room.shown("a.jpg")
    room.undo(task_id, "ann")
    assert room.state(task_id)[0] == "decided"
    assert room.shown("a.jpg") == shown
    assert shown[0] == "pass"


def test_undo_restores_the_status_of_an_earlier_decision(room: Room) -> None:
    room.photo("a.jpg")
    task_id = _decided(room, "a.jpg", "violate", "ann")
    shown = room.shown("a.jpg")
    room.decide(task_id, "normal", "bob", lease=False)
    room.undo(task_id, "bob")
    assert room.state(task_id)[0] == "decided"
    assert room.shown("a.jpg") == shown
    assert shown[0] == "block"


def test_undone_decision_after_an_appeal_reopens_the_task(room: Room) -> None:
    room.photo("a.jpg")
    task_id = _decided(room, "a.jpg", "violate", "ann")
    shown = room.shown("a.jpg")
    room.act(lambda c: appeal_task(c, task_id, reason="it is my own dress", by="buyer"))
    room.decide(task_id, "normal", "bob", lease=False)
    room.undo(task_id, "bob")
    assert room.state(task_id) == ("open", None)
    assert room.shown("a.jpg") == shown


def test_later_commerce_status_stays_after_an_undo(room: Room) -> None:
    room.photo("a.jpg")
    task_id = _decided(room, "a.jpg", "normal")
    room.execute(
        "update commerce.review_image set moderation_status = 'block', moderated_at = now()"
    )
    room.undo(task_id)
    assert room.shown("a.jpg")[0] == "block"
    assert room.state(task_id)[0] == "open"


def test_next_nightly_run_updates_an_undone_photo(shop: Shop) -> None:
    key = shop.upload("a.jpg", photo(DARK))
    run_nightly(shop)
    room = Room(shop.connections.engine, shop.connections.commerce)
    (task,) = room.claim()
    before = room.shown(key)
    room.decide(task.task_id, "normal")
    assert shop.status(key) == "pass"
    room.undo(task.task_id)
    assert room.shown(key) == before
    run_nightly(shop, "again")
    assert room.shown(key) == before
    assert room.state(task.task_id)[0] == "open"
