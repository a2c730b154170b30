"""Golden tasks: indistinguishable for their reviewer, invisible for all others."""

from datetime import timedelta

import pytest

from ml.core.errors import LeaseLost, StorageError
from ml.review.queue import release_tasks, skip_task
from ml.storage.activity_log import history, task_target
from ml.storage.review_queue import count_tasks, list_claimed
from tests.integration.review.golden import claim_golden, freeze, judged, mixed
from tests.integration.review.queue_fixture import Room

pytestmark = pytest.mark.integration

BOTH = {"g1.jpg": "violate", "g2.jpg": "normal"}


def _many(room: Room, count: int = 50) -> list[int]:
    return [room.task(f"{i}.jpg", score=0.9 - i / 100) for i in range(count)]


def _answers(room: Room) -> list[tuple[object, ...]]:
    return room.execute("select truth, label, reviewer from moderation.golden_answer")


def _labels(room: Room) -> int:
    return int(room.execute("select count(*) from moderation.human_label")[0][0])


def test_share_of_golden_tasks_is_the_policys(room: Room) -> None:
    freeze(room, "g", {f"g{i}.jpg": "normal" for i in range(60)})
    _many(room, 200)
    given = mixed(room, room.claim(count=200), share=0.1)
    golden = [task for task in given if task.kind == "golden"]
    assert 10 <= len(golden) <= 40  # 22 are expected; the key is another in every database
    assert len({task.content_sha256 for task in golden}) == len(golden)
    assert mixed(room, [], share=0.5) == []


def test_no_share_or_no_golden_set_adds_no_task(room: Room) -> None:
    _many(room, 40)
    tasks = room.claim(count=40)
    assert mixed(room, tasks) == tasks
    freeze(room, "g", BOTH)
    assert mixed(room, tasks, share=0.0) == tasks


def test_draw_of_a_golden_task_is_deterministic(room: Room) -> None:
    freeze(room, "g", {f"g{i}.jpg": "normal" for i in range(60)})
    _many(room)
    first = mixed(room, room.claim(count=50), share=0.3)
    room.act(lambda c: release_tasks(c, reviewer="ann"))
    again = mixed(room, room.claim(count=50), share=0.3)
    assert [(t.kind, t.content_sha256) for t in again] == [
        (t.kind, t.content_sha256) for t in first
    ]


def test_golden_task_looks_like_its_neighbor(room: Room) -> None:
    freeze(room, "g", BOTH)
    _many(room)
    given = mixed(room, room.claim(count=50))
    golden = next(task for task in given if task.kind == "golden")
    beside = given[given.index(golden) - 1]
    assert golden.priority == beside.priority
    assert golden.opened_at == beside.opened_at
    assert golden.reasons == beside.reasons
    assert golden.object_key in BOTH
    assert golden.claimed_until > golden.opened_at
    held = room.act(lambda c: list_claimed(c, reviewer="ann"))
    assert {task.task_id for task in held} == {task.task_id for task in given}
    assert held.index(golden) - held.index(beside) in (1, 2)  # two may stand beside one task


@pytest.mark.parametrize(
    ("reasons", "seen"),
    [
        (("violation:violate", "below_cut_off"), ("violation:violate", "below_cut_off")),
        (("below_cut_off",), ("violation:violate",)),
    ],
)
def test_golden_task_shows_its_own_reasons_where_they_match(
    room: Room, reasons: tuple[str, ...], seen: tuple[str, ...]
) -> None:
    freeze(room, "g", {"g1.jpg": "normal"})
    judged(room, "g1.jpg", *reasons)
    _many(room)
    golden = claim_golden(room)
    assert (golden.reasons, golden.model_hash, golden.run_id) == (seen, "old", "old night")


def test_photos_with_a_verdict_are_drawn_first(room: Room) -> None:
    freeze(room, "g", {f"g{i}.jpg": "normal" for i in range(9)} | {"scored.jpg": "violate"})
    judged(room, "scored.jpg", "violation:violate")
    _many(room)
    golden = [task for task in mixed(room, room.claim(count=50)) if task.kind == "golden"]
    keys = [task.object_key for task in sorted(golden, key=lambda task: task.task_id)]
    assert keys[0] == "scored.jpg"
    assert len(set(keys)) == len(keys) > 1


def test_golden_answer_writes_no_label(room: Room) -> None:
    freeze(room, "g", {"g1.jpg": "violate"})
    room.photo("g1.jpg", status="pass")
    before = room.shown("g1.jpg")
    _many(room)
    golden = claim_golden(room)
    for _ in range(2):
        room.decide(golden.task_id, "normal")
    assert _answers(room) == [("violate", "normal", "ann")]
    assert _labels(room) == 0
    assert room.shown("g1.jpg") == before
    assert room.state(golden.task_id) == ("decided", None)
    done = room.act(lambda c: history(c, task_target(golden.task_id)))
    assert [(a.actor, a.action, a.detail["label"]) for a in done] == [("ann", "decide", "normal")]


def test_answered_golden_photo_repeats_after_90_days(room: Room) -> None:
    freeze(room, "g", {"g1.jpg": "violate"})
    _many(room)
    golden = claim_golden(room)
    room.decide(golden.task_id, "violate")
    room.act(lambda c: release_tasks(c, reviewer="ann"))
    tasks = room.claim(count=50)
    assert mixed(room, tasks) == tasks
    assert any(t.kind == "golden" for t in mixed(room, room.claim("bob", count=1) + tasks, "bob"))
    room.execute("update moderation.golden_answer set answered_at = now() - interval '91 days'")
    assert any(t.kind == "golden" for t in mixed(room, tasks))


def test_recently_labeled_photo_is_no_golden_task(room: Room) -> None:
    freeze(room, "g", {"a.jpg": "violate"})
    room.decide(room.task("a.jpg"), "violate", lease=False)
    _many(room)
    tasks = room.claim(count=50)
    assert mixed(room, tasks) == tasks


def test_golden_task_uses_the_newest_set(room: Room) -> None:
    freeze(room, "older", {"g1.jpg": "normal"})
    freeze(room, "newer", {"g1.jpg": "violate"})
    _many(room)
    room.decide(claim_golden(room).task_id, "violate")
    assert _answers(room) == [("violate", "violate", "ann")]


def test_golden_task_is_never_offered_to_another_reviewer(room: Room) -> None:
    freeze(room, "g", BOTH)
    _many(room)
    golden = claim_golden(room)
    room.lapse(golden.task_id)
    assert golden.task_id not in room.claimed("bob", count=50)
    with pytest.raises(LeaseLost):
        room.decide(golden.task_id, "normal", "bob")
    with pytest.raises(LeaseLost):
        room.decide(golden.task_id, "normal", "bob", lease=False)
    assert _answers(room) == []


def test_released_or_skipped_golden_task_is_closed_and_uncounted(room: Room) -> None:
    freeze(room, "g", {f"g{i}.jpg": "normal" for i in range(9)})
    _many(room)
    given = mixed(room, room.claim(count=50))
    first, second, *_ = (task.task_id for task in given if task.kind == "golden")
    counted = room.act(lambda c: count_tasks(c, commerce=room.commerce))
    assert (counted.open_count, counted.claimed_count) == (0, 50)
    for _ in range(2):
        room.act(lambda c: skip_task(c, reviewer="ann", task_id=first))
    released = room.act(lambda c: release_tasks(c, reviewer="ann"))
    assert second in released
    assert first not in released
    assert room.state(first) == room.state(second) == ("decided", None)
    counted = room.act(lambda c: count_tasks(c, commerce=room.commerce))
    assert (counted.open_count, counted.claimed_count) == (50, 0)
    with pytest.raises(LeaseLost, match="decided meanwhile"):
        room.decide(second, "normal")


def test_undone_golden_task_returns_to_the_reviewer(room: Room) -> None:
    freeze(room, "g", {"g1.jpg": "violate"})
    _many(room)
    golden = claim_golden(room)
    room.decide(golden.task_id, "normal")
    for _ in range(2):
        room.undo(golden.task_id)
    assert _answers(room) == []
    assert room.state(golden.task_id) == ("claimed", "ann")
    room.decide(golden.task_id, "violate")
    assert _answers(room) == [("violate", "violate", "ann")]
    done = room.act(lambda c: history(c, task_target(golden.task_id)))
    assert [a.action for a in done] == ["decide", "undo", "decide"]


def test_undo_requires_the_last_decision_of_any_kind(room: Room) -> None:
    freeze(room, "g", {"g1.jpg": "violate"})
    tasks = _many(room)
    golden = claim_golden(room)
    room.decide(tasks[0], "normal")
    room.decide(golden.task_id, "violate")
    with pytest.raises(StorageError, match=f"decided review task {golden.task_id} since"):
        room.undo(tasks[0])
    room.undo(golden.task_id)
    room.decide(golden.task_id, "violate")
    room.decide(tasks[1], "normal")
    with pytest.raises(StorageError, match=f"decided review task {tasks[1]} since"):
        room.undo(golden.task_id)


def test_only_own_recent_golden_answer_can_be_undone(room: Room) -> None:
    freeze(room, "g", {"g1.jpg": "violate"})
    _many(room)
    golden = claim_golden(room)
    room.decide(golden.task_id, "normal")
    with pytest.raises(StorageError, match="bob did not decide"):
        room.undo(golden.task_id, "bob")
    with pytest.raises(StorageError, match="older than"):
        room.undo(golden.task_id, within=timedelta(0))
    assert len(_answers(room)) == 1
