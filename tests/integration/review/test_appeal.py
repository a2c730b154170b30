import numpy as np
import pytest

from ml.core.errors import StorageError
from ml.review.second_review import (
    appeal_decision,
    appeal_photo,
    appeal_task,
    load_appeal_states,
)
from ml.storage import photo_features
from ml.storage.activity_log import history, task_target
from ml.storage.database import current_time
from ml.storage.photo_features import PhotoSummary
from ml.vision.images.fingerprint import content_hash
from tests.integration.review.queue_fixture import NIGHT, Room
from tests.support.labelled_photos import label_photos
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


CONTENT = "sha-a.jpg"


def _appeal(room: Room, content: str = CONTENT) -> int:
    return room.act(lambda c: appeal_decision(c, content, reason="no", by="eve"))


def _appeal_state(room: Room, content: str = CONTENT) -> str:
    return room.act(lambda c: load_appeal_states(c, [content]))[content]


def _copy(room: Room, key: str) -> int:
    """The task of another object with the content."""
    task_id = room.task(key)
    room.execute(
        "update moderation.review_task set content_sha256 = :content where task_id = :task",
        content=CONTENT,
        task=task_id,
    )
    return task_id


def _import_label(room: Room) -> None:
    room.execute(
        "insert into moderation.human_label (content_sha256, label, reviewer, route) "
        "values (:content, 'violate', 'import', 'import')",
        content=CONTENT,
    )


def test_appealed_decision_reopens_its_task_for_another_reviewer(room: Room) -> None:
    task_id = room.task("a.jpg")
    assert _appeal_state(room) == "waiting"
    room.decide(task_id, "violate", "ann", lease=False)
    assert _appeal_state(room) == "possible"
    assert _appeal(room) == _appeal(room) == task_id
    assert _appeals(room) == [("no", "eve")]
    assert _appeal_state(room) == "waiting"
    room.task("b.jpg", score=0.1)
    assert room.claimed("ann") != [task_id]
    assert room.claimed("bob") == [task_id]
    assert _appeal_state(room) == "waiting"
    room.decide(task_id, "normal", "bob")
    assert _appeal_state(room) == "possible"


def test_of_copies_the_task_of_the_latest_label_is_reopened(room: Room) -> None:
    first, second, third = room.task("a.jpg"), _copy(room, "b.jpg"), _copy(room, "c.jpg")
    for task_id in (first, third, second):
        room.decide(task_id, "violate", "ann", lease=False)
    assert _appeal(room) == second
    assert [room.state(task_id)[0] for task_id in (first, second, third)] == [
        "decided", "open", "decided",
    ]  # fmt: skip
    room.undo(second)
    assert _appeal(room) == third


def test_label_of_a_blind_review_is_appealed_by_the_first_task(room: Room) -> None:
    first, blind = room.task("a.jpg"), room.task("a.jpg", kind="blind")
    room.decide(first, "violate", "ann", lease=False)
    # Whether a blind review waits is not told.
    assert _appeal_state(room) == "possible"
    room.decide(blind, "violate", "bob", lease=False)
    assert _appeal(room) == first
    assert room.state(blind)[0] == "decided"


def test_golden_task_is_no_appeal(room: Room) -> None:
    room.task("a.jpg", kind="golden")
    _import_label(room)
    assert _appeal_state(room) == "impossible"


def test_label_counts_for_similar_photos_until_the_appeal_is_decided(room: Room) -> None:
    task_id = room.task("a.jpg")
    room.decide(task_id, "violate", "ann", lease=False)
    summaries = {CONTENT: PhotoSummary(np.ones(2, np.float16), b"")}
    room.act(lambda c: photo_features.write(c, "network", summaries))

    def remembered() -> list[str]:
        found = room.act(
            lambda c: photo_features.load_decided(
                c, "network", before=current_time(c), classes=["normal", "violate"]
            )
        )
        return [photo.label for photo in found]

    _appeal(room)
    assert remembered() == ["violate"]
    room.decide(task_id, "normal", "bob", lease=False)
    assert remembered() == ["normal"]


def test_imported_label_without_a_verdict_cannot_be_appealed(room: Room) -> None:
    room.photo("a.jpg")
    _import_label(room)
    assert _appeal_state(room) == "impossible"
    with pytest.raises(StorageError, match="by another import"):
        _appeal(room)
    assert _appeals(room) == []


def test_imported_label_of_a_judged_photo_gets_a_task(shop: Shop) -> None:
    shop.upload("a.jpg", photo(BRIGHT))
    run_nightly(shop)
    room = Room(shop.connections.engine, shop.connections.commerce)
    content = content_hash(photo(BRIGHT))
    label_photos(shop, [content], "violate")
    assert _appeal_state(room, content) == "possible"
    task_id = _appeal(room, content)
    assert _appeal_state(room, content) == "waiting"
    assert _appeal(room, content) == task_id
    assert room.claimed("ann") == [task_id]
