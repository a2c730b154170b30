"""Golden tasks: photos with a known label, mixed into a reviewer's queue like ordinary tasks.

Nothing distinguishes them on the page: a golden task follows one of the claimed tasks and takes
that neighbor's priority and waiting time, and its reasons unless the photo's own verdict shares one
with them. It is a row of `review_task` of kind `golden`, one each time that a reviewer is asked;
nobody else can claim it, and it is closed without an answer where it is released or skipped. The
answer is a row of `golden_answer` only, deleted if it is undone; the activity log keeps both.
"""

from dataclasses import fields, replace
from datetime import timedelta

from sqlalchemy import Connection

from ml.core.errors import StorageError
from ml.core.stats import keyed_uniform
from ml.policy.schema import Policy
from ml.review.queue import require_lease
from ml.storage.activity_log import record, task_target
from ml.storage.golden_answers import add_answer, load_answer, load_truth
from ml.storage.golden_tasks import (
    GoldenPhoto,
    GoldenPool,
    ShownVerdict,
    add_golden_task,
    load_golden_photo,
    load_strata,
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
    change them. Where the reviewer answered all golden photos within 90 days, none is added.
    """
    share = policy.reviewing.golden_share
    mixed, key = list(tasks), load_sampling_key(connection)
    for task in tasks:
        if keyed_uniform(key, "golden", reviewer, task.task_id) * (1 - share) >= share:
            continue
        place = int(keyed_uniform(key, "golden place", reviewer, task.task_id) * len(mixed))
        neighbor = mixed[place]
        photo = _draw_photo(connection, key, task, reviewer=reviewer, policy=policy)
        if photo is None:
            break
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
    connection: Connection, key: bytes, task: ClaimedTask, *, reviewer: str, policy: Policy
) -> GoldenPhoto | None:
    """A golden photo that the reviewer has not seen within 90 days; None: there is none left.

    Classes are drawn with equal probability, then a photo of the class: rare classes count, too.
    Photos with a verdict come first: with the model's own reasons they look most like others.
    """
    lock_reviewer(connection, reviewer)
    pool = GoldenPool(reviewer, tuple(policy.classes), REPEAT_AFTER)
    strata = load_strata(connection, pool)
    strata = [stratum for stratum in strata if stratum.has_verdict] or strata
    if not strata:
        return None
    draw = keyed_uniform(key, "golden class", reviewer, task.task_id)
    stratum = strata[int(draw * len(strata))]
    draw = keyed_uniform(key, "golden photo", reviewer, task.task_id)
    return load_golden_photo(connection, pool, stratum, int(draw * stratum.photos))


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
