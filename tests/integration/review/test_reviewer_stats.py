"""Reviewer statistics from labels, golden answers and the activity log."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ml.review.reviewer_stats import ReviewerReport, reviewer_report
from ml.storage.activity_log import actors, log_page
from ml.storage.labels import NewLabel, add_labels
from tests.integration.review.golden import freeze
from tests.integration.review.queue_fixture import Room

pytestmark = pytest.mark.integration

DAY = datetime(2026, 11, 10, tzinfo=UTC)


def _people(room: Room) -> ReviewerReport:
    span = {"since": DAY, "until": DAY + timedelta(days=2)}
    return room.act(lambda c: reviewer_report(c, **span, zone="Asia/Shanghai"))


def _label(room: Room, content: str, label: str, reviewer: str, **more: object) -> None:
    values = {"route": "uncertain", "decided_at": DAY + timedelta(hours=1)} | more
    new = NewLabel(content, label, reviewer, **values)  # type: ignore[arg-type]
    room.act(lambda c: add_labels(c, [new]))


def _act(room: Room, who: str, at: datetime, what: str = "decide") -> None:
    room.execute(
        "insert into moderation.activity (actor, action, target, occurred_at) "
        "values (:w, :x, 't', :a)",
        w=who,
        x=what,
        a=at,
    )


def _answer(room: Room, key: str, truth: str, label: str, *, at: datetime = DAY) -> None:
    task = room.task(f"{key}-task", kind="golden")
    room.execute(
        "insert into moderation.golden_answer "
        "values (:t, 'sha-' || :k, 'g', :truth, :label, 'ann', :at)",
        t=task,
        k=key,
        truth=truth,
        label=label,
        at=at,
    )


def test_agreement_is_of_active_labels_within_the_span(room: Room) -> None:
    said = (
        ("normal", "normal"),
        ("violate", "violate"),
        ("normal", "violate"),
        ("violate", "normal"),
    )
    for number, (first, second) in enumerate(said, start=1):
        content = str(number)
        _label(room, content, first, "ann")
        _label(room, content, second, "bob", route="second_review")
    _label(room, "5", "normal", "ann")
    _label(room, "5", "violate", "csv", route="import")
    _label(room, "6", "normal", "ann", decided_at=DAY - timedelta(hours=1))
    _label(room, "6", "normal", "bob")
    room.execute(
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, 'bob' from moderation.human_label where content_sha256 = '4' "
        "and reviewer = 'bob'"
    )
    (pair,) = _people(room).pairs
    assert (pair.first, pair.second, pair.photos) == ("ann", "bob", 3)
    # ann: normal, violate, normal; bob: normal, violate, violate. (2/3 - 4/9) / (1 - 4/9)
    assert pair.kappa == pytest.approx(0.4)


def test_golden_accuracy_is_of_answers_within_the_span(room: Room) -> None:
    freeze(room, "g", {})
    _answer(room, "1", "violate", "violate")
    _answer(room, "2", "violate", "normal")
    _answer(room, "3", "normal", "normal")
    _answer(room, "4", "normal", "violate", at=DAY - timedelta(days=1))
    (accuracy,) = _people(room).golden
    assert (accuracy.reviewer, accuracy.photos, accuracy.right) == ("ann", 3, 2)
    assert accuracy.classes["violate"].recall == 0.5
    assert accuracy.classes["normal"].recall == 1.0


def test_answer_that_disputes_a_golden_label_counts_once_it_is_decided_again(room: Room) -> None:
    freeze(room, "g", {})
    _label(room, "sha-1", "violate", "bob", decided_at=DAY - timedelta(days=20))
    _label(room, "sha-2", "violate", "bob", decided_at=DAY - timedelta(days=20))
    _answer(room, "1", "violate", "normal")
    _answer(room, "2", "violate", "violate")
    room.execute(
        "update moderation.review_task set content_sha256 = replace(content_sha256, '-task', '') "
        "where kind = 'golden'"
    )
    (ann,) = _people(room).golden
    assert (ann.photos, ann.right) == (1, 1)
    _label(room, "sha-1", "violate", "eve")  # after the answer
    (ann,) = _people(room).golden
    assert (ann.photos, ann.right) == (2, 1)
    _label(room, "sha-1", "normal", "eve", decided_at=DAY + timedelta(hours=2))
    _label(room, "sha-1", "normal", "bob", decided_at=DAY + timedelta(hours=2))
    (ann,) = _people(room).golden
    assert (ann.photos, ann.right) == (1, 1)  # the golden label was wrong


def test_workload_is_by_local_day_without_breaks(room: Room) -> None:
    for minutes in (0, 1, 2, 62, 63):  # three steps of a minute; the hour is a pause
        _act(room, "ann", DAY + timedelta(hours=15, minutes=minutes))
    _act(room, "ann", DAY + timedelta(hours=15, minutes=64), "undo")
    _act(room, "ann", DAY + timedelta(hours=15, minutes=64), "skip")
    _act(room, "bob", DAY + timedelta(hours=3))
    _act(room, "bob", DAY - timedelta(hours=3))
    ann, bob = _people(room).work
    assert (ann.decisions, ann.undone, ann.undo_rate) == (5, 1, 0.2)
    # 15:00 to 15:02 UTC is still the 10th in Shanghai, 16:02 is the 11th.
    assert ann.days == {date(2026, 11, 10): 3, date(2026, 11, 11): 2}
    assert ann.an_hour == pytest.approx(60)
    assert (bob.decisions, bob.an_hour, bob.undo_rate) == (1, None, 0.0)


def test_report_without_activity_is_empty(room: Room) -> None:
    assert _people(room) == ReviewerReport([], [], [])


def test_activity_log_is_newest_first_by_actor_and_page(room: Room) -> None:
    for number in range(5):
        _act(room, "ann" if number % 2 else "bob", DAY + timedelta(minutes=number))
    whole = room.act(lambda c: log_page(c, limit=3))
    assert [entry.actor for entry in whole.entries] == ["bob", "ann", "bob"]
    rest = room.act(lambda c: log_page(c, limit=3, before=whole.older))
    assert [entry.actor for entry in rest.entries] == ["ann", "bob"]
    assert rest.older is None
    mine = room.act(lambda c: log_page(c, actor="ann", limit=2))
    assert (len(mine.entries), mine.older) == (2, None)
    assert room.act(lambda c: actors(c, since=DAY)) == ["ann", "bob"]
    assert room.act(lambda c: actors(c, since=DAY + timedelta(minutes=4))) == ["bob"]
