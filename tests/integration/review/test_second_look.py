"""Golden tasks confirm labels: unconfirmed ones first, and disputed ones not at all."""

from datetime import UTC, datetime, timedelta

import pytest

from ml.review.queue import release_tasks
from ml.storage.labels import NewLabel, add_labels
from tests.integration.review.golden import freeze, judged, mixed
from tests.integration.review.queue_fixture import Room

pytestmark = pytest.mark.integration


def open_tasks(room: Room) -> None:
    for number in range(50):
        room.task(f"{number}.jpg")


def _label(room: Room, key: str, reviewer: str, *, days: float, route: str = "uncertain") -> None:
    """A label `violate` of so many days ago."""
    at = datetime.now(UTC) - timedelta(days=days)
    new = NewLabel(f"sha-{key}", "violate", reviewer, route, at)
    room.act(lambda c: add_labels(c, [new]))


def _answer_golden_task(room: Room, label: str, reviewer: str = "ann") -> str:
    """Answer one golden task and release the other tasks; returns the photo's key."""
    given = mixed(room, room.claim(reviewer, count=50), reviewer)
    golden = min((t for t in given if t.kind == "golden"), key=lambda task: task.task_id)
    room.decide(golden.task_id, label, reviewer)
    room.act(lambda c: release_tasks(c, reviewer=reviewer))
    return golden.object_key


def _drawn(room: Room, reviewer: str = "ann") -> list[str]:
    """Golden photos of one claim, in the order in which they were drawn."""
    claimed = room.claim(reviewer, count=50)
    assert len(claimed) == 50
    given = mixed(room, claimed, reviewer)
    golden = sorted((t for t in given if t.kind == "golden"), key=lambda task: task.task_id)
    room.act(lambda c: release_tasks(c, reviewer=reviewer))
    return [task.object_key for task in golden]


@pytest.mark.parametrize(("labeled_by", "route"), [("ann", "uncertain"), ("import", "import")])
def test_unconfirmed_labels_are_asked_first_after_some_days(
    room: Room, labeled_by: str, route: str
) -> None:
    freeze(room, "g", dict.fromkeys(("once.jpg", "new.jpg", "twice.jpg"), "violate"))
    _label(room, "once.jpg", labeled_by, days=8, route=route)
    _label(room, "new.jpg", labeled_by, days=6, route=route)
    for reviewer in ("eve", "bob"):
        _label(room, "twice.jpg", reviewer, days=30)
    judged(room, "twice.jpg", "violation:violate")  # a photo with a verdict comes second
    open_tasks(room)
    first, *_ = _drawn(room)
    assert first == "once.jpg"


def test_confirmed_label_is_asked_again_only_after_90_days(room: Room) -> None:
    freeze(room, "g", {"a.jpg": "violate"})
    _label(room, "a.jpg", "ann", days=20)
    open_tasks(room)
    _answer_golden_task(room, "violate")
    room.execute("update moderation.golden_answer set answered_at = now() - interval '8 days'")
    assert _drawn(room) == []
    assert _drawn(room, "bob")[:1] == ["a.jpg"]


def test_disputed_label_is_not_asked_until_it_is_decided_again(room: Room) -> None:
    freeze(room, "g", {"a.jpg": "violate", "b.jpg": "violate"})
    _label(room, "a.jpg", "eve", days=20)
    _label(room, "b.jpg", "eve", days=1)
    open_tasks(room)
    assert _answer_golden_task(room, "normal", "bob") == "a.jpg"
    assert set(_drawn(room)) == {"b.jpg"}
    _label(room, "a.jpg", "carol", days=0)
    assert set(_drawn(room)) == {"a.jpg", "b.jpg"}
