"""Golden tasks: photos with a known label, mixed into a reviewer's queue like ordinary tasks.

Nothing distinguishes them on the page: a golden task follows one of the claimed tasks and takes
that neighbor's priority and waiting time, and its reasons unless the photo's own verdict shares one
with them. It is a row of `review_task` of kind `golden`, one each time that a reviewer is asked;
nobody else can claim it, and it is closed without an answer where it is released or skipped. The
answer is a row of `golden_answer` only, deleted if it is undone; the activity log keeps both.
"""

from dataclasses import fields, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ml.core.errors import StorageError
from ml.core.stats import keyed_uniform
from ml.policy.golden_labels import GoldenLabel
from ml.policy.schema import Policy
from ml.review.queue import require_lease
from ml.storage.activity_log import record, task_target
from ml.storage.database import current_time
from ml.storage.golden_answers import add_answer, load_answer, load_opinions, load_truth
from ml.storage.golden_tasks import (
    GoldenCandidate,
    GoldenPhoto,
    GoldenPool,
    ShownVerdict,
    add_golden_task,
    load_candidates,
    load_golden_photo,
    lock_reviewer,
)
from ml.storage.review_queue import ClaimedTask
from ml.storage.review_tasks import ReviewTask, close_tasks, load_sampling_key

REPEAT_AFTER = timedelta(days=90)  # a reviewer is not asked the same photo again before


def insert_golden_tasks(
    connection: Connection,
    tasks: list[ClaimedTask],
    *,
    reviewer: str,
    policy: Policy,
    lease_seconds: float,
) -> list[ClaimedTask]:
    """The claimed tasks with golden ones among them, claimed for the same reviewer.

    On average `policy.reviewing.golden_share` of the result is golden. Whether a task adds a golden
    one, its place and its photo are drawn from reviewer and task: claiming the task again does not
    change them. Where the reviewer has seen all golden photos lately, none is added.
    """
    share = policy.reviewing.golden_share
    mixed, key = list(tasks), load_sampling_key(connection)
    candidates: list[GoldenCandidate] | None = None
    for task in tasks:
        if keyed_uniform(key, "golden", reviewer, task.task_id) * (1 - share) >= share:
            continue
        place = int(keyed_uniform(key, "golden place", reviewer, task.task_id) * len(mixed))
        neighbor = mixed[place]
        if candidates is None:
            lock_reviewer(connection, reviewer)
            candidates = _list_candidates(connection, reviewer, policy)
        drawn = _draw_photo(candidates, key, task, reviewer)
        if drawn is None:
            break
        candidates.remove(drawn)
        photo = load_golden_photo(connection, drawn.content_sha256)
        golden = add_golden_task(
            connection,
            photo,
            _choose_appearance(photo, neighbor),
            reviewer=reviewer,
            lease_seconds=lease_seconds,
            priority=neighbor.priority,
            opened_at=neighbor.opened_at,
        )
        mixed.insert(place + 1, golden)
    return mixed


def _draw_photo(
    photos: list[GoldenCandidate], key: bytes, task: ClaimedTask, reviewer: str
) -> GoldenCandidate | None:
    """One of the photos; None: there is none left.

    Classes are drawn with equal probability, then a photo of the class: rare classes count, too.
    Photos with a verdict come first: with the model's own reasons they look most like others.
    """
    photos = [photo for photo in photos if photo.has_verdict] or photos
    if not photos:
        return None
    labels = sorted({photo.label for photo in photos})
    draw = keyed_uniform(key, "golden class", reviewer, task.task_id)
    label = labels[int(draw * len(labels))]
    of_class = [photo for photo in photos if photo.label == label]
    draw = keyed_uniform(key, "golden photo", reviewer, task.task_id)
    return of_class[int(draw * len(of_class))]


def _list_candidates(
    connection: Connection, reviewer: str, policy: Policy
) -> list[GoldenCandidate]:
    """Photos whose label an answer would confirm; without such, those not seen within 90 days.

    The first may be photos that the reviewer labeled, once `reviewing.second_look_days` have
    passed. A disputed label is no truth to compare with: its photo waits until it is decided again.
    """
    second_look, now = policy.reviewing.second_look, current_time(connection)
    photos = load_candidates(connection, GoldenPool(reviewer, tuple(policy.classes)))
    contents = [photo.content_sha256 for photo in photos]
    opinions = load_opinions(connection, contents, as_of=now)
    labels = {p: GoldenLabel(p.label, opinions[p.content_sha256]) for p in photos}

    def select_unseen(since: datetime) -> list[GoldenCandidate]:
        seen = {
            content
            for content, found in opinions.items()
            if any(o.reviewer == reviewer and o.given_at > since for o in found)
        }
        return [photo for photo in photos if photo.content_sha256 not in seen]

    unseen = select_unseen(now - second_look)
    due = [photo for photo in unseen if labels[photo].needs_second_look(second_look, now=now)]
    return due or [p for p in select_unseen(now - REPEAT_AFTER) if not labels[p].is_disputed]


def _choose_appearance(photo: GoldenPhoto, neighbor: ClaimedTask) -> ShownVerdict:
    """What the task shows: its photo's own verdict, or its neighbor's where that is safer."""
    if photo.verdict is None:
        return ShownVerdict(**{f.name: getattr(neighbor, f.name) for f in fields(ShownVerdict)})
    if set(photo.verdict.reasons) & set(neighbor.reasons):
        return photo.verdict
    return replace(
        photo.verdict, reasons=neighbor.reasons, violation_score=neighbor.violation_score
    )


def answer_golden_task(
    connection: Connection, task: ReviewTask, label: str, reviewer: str, **detail: object
) -> None:
    """Decide a golden task, which is locked; idempotent. `detail` goes to the activity log.

    Raises:
        LeaseLost: the task is not the reviewer's.
        StorageError: the photo is in no golden set.
    """
    answer = load_answer(connection, task.task_id)
    if answer is not None and (answer.label, answer.reviewer) == (label, reviewer):
        return
    require_lease(task, reviewer)
    truth = load_truth(connection, task.content_sha256)
    if truth is None:
        raise StorageError(f"the photo of review task {task.task_id} is in no golden set")
    add_answer(connection, task, truth, label=label, reviewer=reviewer)
    close_tasks(connection, [task.task_id])
    target = task_target(task.task_id)
    record(connection, actor=reviewer, action="decide", target=target, label=label, **detail)
