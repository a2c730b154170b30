"""Opinions on golden photos: as of a moment, without what was undone."""

from datetime import UTC, datetime, timedelta

import pytest

from ml.policy.golden_labels import Opinion
from ml.storage.golden_answers import load_opinions
from ml.storage.labels import NewLabel, add_labels
from tests.integration.review.golden import claim_golden, freeze
from tests.integration.review.queue_fixture import Room

pytestmark = pytest.mark.integration

START = datetime(2026, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _opinions(room: Room, as_of: datetime, key: str = "a.jpg") -> list[Opinion]:
    return room.act(lambda c: load_opinions(c, [f"sha-{key}", "none"], as_of=as_of))[f"sha-{key}"]


def _label(room: Room, reviewer: str, at: datetime, route: str = "uncertain") -> None:
    new = NewLabel("sha-a.jpg", "violate", reviewer, route, at)
    room.act(lambda c: add_labels(c, [new]))


def _answer(room: Room, at: datetime) -> int:
    for number in range(50):
        room.task(f"{number}.jpg")
    golden = claim_golden(room)
    room.decide(golden.task_id, "normal")
    room.execute("update moderation.golden_answer set answered_at = :at", at=at)
    return golden.task_id


def test_opinions_are_those_before_a_moment_oldest_first(room: Room) -> None:
    freeze(room, "g", {"a.jpg": "violate"})
    _label(room, "import", START, "import")
    _label(room, "bob", START + DAY)
    _answer(room, START + 2 * DAY)
    votes = [
        Opinion("import", "violate", START, is_imported=True),
        Opinion("bob", "violate", START + DAY),
    ]
    answer = Opinion("ann", "normal", START + 2 * DAY, is_blind=True)
    assert _opinions(room, START + 3 * DAY) == [*votes, answer]
    assert _opinions(room, START + 2 * DAY) == votes  # the moment itself is not before it
    assert _opinions(room, START) == []
    assert _opinions(room, START + 3 * DAY, "other.jpg") == []


def test_undone_labels_and_answers_are_no_opinions(room: Room) -> None:
    freeze(room, "g", {"a.jpg": "violate"})
    _label(room, "bob", START)
    now = datetime.now(UTC)
    task_id = _answer(room, now)
    assert len(_opinions(room, now + DAY)) == 2
    room.undo(task_id)
    assert [o.reviewer for o in _opinions(room, now + DAY)] == ["bob"]
    room.execute(
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, 'bob' from moderation.human_label"
    )
    assert _opinions(room, now + DAY) == []
