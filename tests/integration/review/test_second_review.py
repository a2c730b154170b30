"""Blind second reviews: drawn by content, for another reviewer, decided by a third."""

import pytest

from ml.review.queue import release_tasks
from ml.review.second_review import open_follow_ups
from tests.integration.review.golden import with_shares
from tests.integration.review.queue_fixture import Room

pytestmark = pytest.mark.integration


def _decide(room: Room, task_id: int, label: str, reviewer: str, *, share: float = 0.5) -> None:
    """Decide as the page does and open follow-ups; `share` 0.5 is the maximum."""
    room.decide(task_id, label, reviewer, lease=False)
    policy = with_shares(room, second_review_share=share)
    for _ in range(2):
        room.act(lambda c: open_follow_ups(c, task_id, policy=policy))


def _blind(room: Room) -> list[tuple[object, ...]]:
    return room.execute(
        "select content_sha256, state, excluded_reviewers from moderation.review_task "
        "where kind = 'blind' order by task_id"
    )


def _drawn(room: Room, second: str | None = None) -> tuple[int, int]:
    """A drawn photo that ann labels a violation and bob `second`; its task and the blind one."""
    for i in range(60):
        key = f"drawn{i}.jpg"
        room.photo(key)
        task_id = room.task(key)
        _decide(room, task_id, "violate", "ann")
        found = room.execute("select max(task_id) from moderation.review_task where kind = 'blind'")
        if found[0][0]:
            blind = int(found[0][0])
            if second is not None:
                _decide(room, blind, second, "bob")
            return task_id, blind
    raise AssertionError("one of sixty photos")


def _key(room: Room, task_id: int) -> str:
    query = "select object_key from moderation.review_task where task_id = :t"
    return str(room.execute(query, t=task_id)[0][0])


def test_second_reviews_are_drawn_by_content(room: Room) -> None:
    for i in range(100):
        _decide(room, room.task(f"{i}.jpg"), "normal", "ann", share=0.3)
    first = {row[0] for row in _blind(room)}
    assert 15 <= len(first) <= 45
    policy = with_shares(room, second_review_share=0.3)
    for i in range(100):
        task = room.execute(
            "select task_id from moderation.review_task where object_key = :k and kind = 'verdict'",
            k=f"{i}.jpg",
        )
        room.act(lambda c, t=task[0][0]: open_follow_ups(c, t, policy=policy))
    assert {row[0] for row in _blind(room)} == first


def test_no_share_opens_no_second_review(room: Room) -> None:
    for i in range(20):
        _decide(room, room.task(f"{i}.jpg"), "normal", "ann", share=0.0)
    assert _blind(room) == []


def test_second_review_waits_for_another_reviewer(room: Room) -> None:
    _, blind = _drawn(room)
    room.execute("update moderation.review_task set priority = 0.5 where task_id = :t", t=blind)
    high, low = room.task("high.jpg", score=0.9), room.task("low.jpg", score=0.1)
    doubt = room.task("doubt.jpg", score=1.0, kind="second_review")
    assert room.claimed("ann", count=9) == [high, low, doubt]
    room.act(lambda c: release_tasks(c, reviewer="ann"))
    assert room.claimed("bob", count=9) == [high, blind, low, doubt]


def test_second_decision_is_a_label_of_its_route(room: Room) -> None:
    task, _ = _drawn(room, "violate")
    rows = room.execute(
        "select reviewer, route from moderation.human_label where content_sha256 = 'sha-' || :k "
        "order by label_id",
        k=_key(room, task),
    )
    assert rows == [("ann", "violation"), ("bob", "second_review")]
    assert room.state(task) == ("decided", None)


def test_contested_photo_has_the_newer_status_and_a_third_review(room: Room) -> None:
    task, _ = _drawn(room, "normal")
    key = _key(room, task)
    assert room.shown(key)[0] == "pass"
    assert room.state(task) == ("open", None)
    assert task not in room.claimed("ann", count=99) + room.claimed("bob", count=99)
    assert task in room.claimed("cid", count=99)
    _decide(room, task, "violate", "cid")
    assert room.shown(key)[0] == "block"
    assert room.state(task) == ("decided", None)
    appeals = room.execute("select appealed_by, reason from moderation.appeal")
    assert appeals == [("bob", "two reviewers decided differently")]


def test_undone_third_vote_reopens_the_task(room: Room) -> None:
    task, _ = _drawn(room, "normal")
    _decide(room, task, "violate", "cid")
    room.undo(task, "cid")
    assert room.state(task)[0] != "decided"


def test_undone_first_decision_closes_the_blind_task(room: Room) -> None:
    task, blind = _drawn(room)
    room.undo(task)
    assert room.state(blind) == ("decided", None)
    _decide(room, task, "normal", "eve")
    assert room.state(blind) == ("open", None)
    assert _blind(room)[0][2] == ["eve"]


def test_decided_blind_task_stays_when_the_first_is_undone(room: Room) -> None:
    task, blind = _drawn(room, "violate")
    room.undo(task)
    assert room.state(blind) == ("decided", None)
    _decide(room, task, "violate", "ann")
    assert room.state(blind) == ("decided", None)


def test_undone_blind_decision_closes_the_third_review(room: Room) -> None:
    task, blind = _drawn(room, "normal")
    room.undo(blind, "bob")
    assert room.state(task) == ("decided", None)
    assert room.shown(_key(room, task))[0] == "block"
    _decide(room, blind, "normal", "bob")
    assert room.state(task) == ("open", None)


def test_second_reviews_and_golden_tasks_open_no_further_review(room: Room) -> None:
    for i in range(20):
        _decide(room, room.task(f"{i}.jpg", kind="second_review"), "normal", "ann")
    assert _blind(room) == []
