"""Hidden golden items: photos with a known answer among a reviewer's tasks, told apart by nothing.

They are rows of `review_task` of kind `golden`, one for each time that a reviewer is asked:

- A golden task is its reviewer's alone. Nobody else can claim it, counts leave it out, and where it
  is given back, skipped or left it is closed without an answer.
- It stands beside one of the claimed tasks and has that one's priority and waiting time. Its
  reasons are those of the photo's own verdict where they name what its neighbour's name, else the
  neighbour's: a claim that asked for a reason gets nothing that stands out.
- Classes are drawn evenly and photos within a class, so that rare classes are measured, too.
- The answer is a row of `golden_answer` and nothing else: no label, no status in the shop. That
  table measures people and is no history: an answer that is taken back is deleted, the record of
  what people did (`moderation.activity`) keeps both.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, text, update

from ml.errors import StorageError
from ml.policy.policy import Policy
from ml.review.activity import record, task_target
from ml.review.draw import draw
from ml.review.lease import require_lease
from ml.review.queue import SHOWN, ClaimedTask
from ml.review.standing import undone
from ml.storage.schema import golden_answer, human_label, review_task

GOLDEN = "golden"
ASK_AGAIN_AFTER = timedelta(days=90)

_PICK = text(
    """
    with newest as (
        select s.golden_hash from moderation.golden_set s
        where exists (
            select from moderation.golden_photo p where p.golden_hash = s.golden_hash
        )
        order by s.created_at desc, s.golden_hash limit 1
    ),
    fresh as (
        select p.content_sha256, p.label,
            md5(:drawn_by || p.content_sha256) as drawn, md5(:drawn_by || p.label) as class_drawn,
            not exists (
                select from moderation.verdict v where v.content_sha256 = p.content_sha256
            ) as unseen
        from moderation.golden_photo p join newest using (golden_hash)
        join moderation.labelled_photo kept using (content_sha256)
        where p.label = any(:classes)
        and not exists (
            select from moderation.golden_answer a
            where a.content_sha256 = p.content_sha256 and a.reviewer = :reviewer
            and a.answered_at > now() - :again
        )
        and not exists (
            select from moderation.human_label h
            where h.content_sha256 = p.content_sha256 and h.reviewer = :reviewer
            and h.decided_at > now() - :again
        )
        and not exists (
            select from moderation.review_task t
            where t.content_sha256 = p.content_sha256 and t.claimed_by = :reviewer
        )
    ),
    picked as (
        select *, row_number() over (partition by unseen, label order by drawn) as place
        from fresh order by unseen, place, class_drawn limit 1
    )
    select picked.content_sha256, coalesce(object.object_key, photo.object_key) as object_key,
        coalesce(object.etag, '') as etag,
        judged.model_hash, judged.policy_version, judged.reasons, judged.violation_score,
        judged.run_id
    from picked
    join moderation.labelled_photo photo using (content_sha256)
    left join lateral (
        select object_key, etag from moderation.image
        where content_sha256 = picked.content_sha256
        order by uploaded_at desc, object_key, etag limit 1
    ) object on true
    left join lateral (
        select model_hash, policy_version, reasons, violation_score, run_id
        from moderation.verdict where content_sha256 = picked.content_sha256
        order by judged_at desc limit 1
    ) judged on true
    """
)
_TRUTH = text(
    """
    select p.golden_hash, p.label from moderation.golden_photo p
    join moderation.golden_set s using (golden_hash)
    where p.content_sha256 = :content_sha256
    order by s.created_at desc, s.golden_hash limit 1
    """
)


def mix_in(
    connection: Connection,
    tasks: list[ClaimedTask],
    *,
    reviewer: str,
    policy: Policy,
    lease_seconds: float,
) -> list[ClaimedTask]:
    """The claimed tasks with golden ones among them, claimed for the same reviewer.

    Of what a reviewer is given, `policy.reviewing.golden_share` is golden on average. Whether a
    task brings one is drawn from reviewer and task: asking again does not draw again. Where all
    golden photos were answered within 90 days, none is added.
    """
    share = policy.reviewing.golden_share
    mixed = list(tasks)
    for task in tasks:
        if draw(connection, "golden", reviewer, task.task_id) * (1 - share) >= share:
            continue
        place = int(draw(connection, "golden place", reviewer, task.task_id) * len(mixed))
        beside = mixed[place]
        drawn_by = draw(connection, "golden photo", reviewer, task.task_id)
        photo = _pick(connection, reviewer, policy, drawn_by)
        if photo is None:
            break
        mixed.insert(place + 1, _give(connection, photo, beside, reviewer, lease_seconds))
    return mixed


def _pick(
    connection: Connection, reviewer: str, policy: Policy, drawn_by: float
) -> RowMapping | None:
    """A golden photo that the reviewer has not answered of late; None: they know them all."""
    # Two pages of one reviewer must not be given the same photo at once.
    lock = select(func.pg_advisory_xact_lock(func.hashtextextended(f"golden {reviewer}", 0)))
    connection.execute(lock)
    asked = {
        "drawn_by": str(drawn_by),
        "classes": list(policy.classes),
        "reviewer": reviewer,
        "again": ASK_AGAIN_AFTER,
    }
    return connection.execute(_PICK, asked).mappings().first()


def _give(
    connection: Connection,
    photo: RowMapping,
    beside: ClaimedTask,
    reviewer: str,
    lease_seconds: float,
) -> ClaimedTask:
    """A task of the photo, the reviewer's, beside another one."""
    until = func.statement_timestamp() + timedelta(seconds=lease_seconds)
    row = insert(review_task).values(
        **_looks(photo, beside),
        kind=GOLDEN,
        state="claimed",
        claimed_by=reviewer,
        claimed_until=until,
        opened_at=beside.opened_at,
        priority=beside.priority,
    )
    given = connection.execute(row.returning(*(review_task.c[name] for name in SHOWN)))
    made = given.mappings().one()
    return ClaimedTask(**{**made, "reasons": tuple(made["reasons"])})


def _looks(photo: RowMapping, beside: ClaimedTask) -> dict[str, Any]:
    """What the task says of its photo: as its verdict did, or as its neighbour's does."""
    seen = photo["model_hash"] is not None
    fits = seen and set(photo["reasons"]) & set(beside.reasons)
    return {
        "object_key": photo["object_key"],
        "etag": photo["etag"],
        "content_sha256": photo["content_sha256"],
        "model_hash": photo["model_hash"] if seen else beside.model_hash,
        "policy_version": photo["policy_version"] if seen else beside.policy_version,
        "run_id": photo["run_id"] if seen else beside.run_id,
        "reasons": list(photo["reasons"] if fits else beside.reasons),
        "violation_score": photo["violation_score"] if fits else beside.violation_score,
    }


def answer(
    connection: Connection, task: RowMapping, label: str, reviewer: str, **said: object
) -> None:
    """Decide a golden task; the same answer again is no change.

    Args:
        connection: open, in a transaction.
        task: the golden task, locked.
        label: a class of the policy.
        reviewer: whose answer it is.
        said: what else is kept in the record of what people did.

    Raises:
        LeaseLost: the task is not the reviewer's.
        StorageError: the photo is in no golden set.
    """
    known = _answered(connection, task)
    if known is not None and (known["label"], known["reviewer"]) == (label, reviewer):
        return
    require_lease(task, reviewer)
    truth = connection.execute(_TRUTH, {"content_sha256": task["content_sha256"]}).first()
    if truth is None:
        raise StorageError(f"the photo of review task {task['task_id']} is in no golden set")
    connection.execute(
        insert(golden_answer).values(
            task_id=task["task_id"],
            content_sha256=task["content_sha256"],
            golden_hash=truth.golden_hash,
            truth=truth.label,
            label=label,
            reviewer=reviewer,
            answered_at=func.clock_timestamp(),
        )
    )
    closed = {"state": "decided", "claimed_by": None, "claimed_until": None}
    _set(connection, task, **closed)
    target = task_target(task["task_id"])
    record(connection, who=reviewer, what="decide", target=target, label=label, **said)


def take_back(
    connection: Connection,
    task: RowMapping,
    *,
    reviewer: str,
    within: timedelta,
    lease_seconds: float,
) -> None:
    """Undo an answer, as `ml.review.undo` does a decision; the task is the reviewer's again.

    Raises:
        StorageError: no answer of this reviewer, not their last decision, or too old.
    """
    known = _answered(connection, task)
    if known is None and task["claimed_by"] == reviewer:
        return  # taken back before
    if known is None or known["reviewer"] != reviewer:
        raise StorageError(f"{reviewer} did not decide review task {task['task_id']}")
    later = _later_label(connection, reviewer, known["answered_at"])
    later = later or later_answer(connection, reviewer, known["answered_at"])
    if later is not None:
        raise StorageError(f"{reviewer} decided review task {later} since: undo that one first")
    if known["age"] > within:
        raise StorageError(
            f"the decision on review task {task['task_id']} is older than {within}: "
            "appeal it instead"
        )
    mine = golden_answer.c.task_id == task["task_id"]
    connection.execute(delete(golden_answer).where(mine))
    until = func.statement_timestamp() + timedelta(seconds=lease_seconds)
    _set(connection, task, state="claimed", claimed_by=reviewer, claimed_until=until)
    target = task_target(task["task_id"])
    record(connection, who=reviewer, what="undo", target=target, label=known["label"])


def later_answer(connection: Connection, reviewer: str, after: datetime) -> int | None:
    """The golden task that a reviewer answered since, if any: undo takes back the last first."""
    columns = golden_answer.c
    query = select(columns.task_id).where(columns.reviewer == reviewer, columns.answered_at > after)
    found: int | None = connection.execute(query.limit(1)).scalar()
    return found


def _later_label(connection: Connection, reviewer: str, after: datetime) -> int | None:
    columns = human_label.c
    query = select(columns.task_id).where(
        columns.reviewer == reviewer,
        columns.task_id.is_not(None),
        columns.decided_at > after,
        ~undone(),
    )
    found: int | None = connection.execute(query.limit(1)).scalar()
    return found


def _answered(connection: Connection, task: RowMapping) -> RowMapping | None:
    columns = golden_answer.c
    age = (func.clock_timestamp() - columns.answered_at).label("age")
    query = select(columns.label, columns.reviewer, columns.answered_at, age)
    return connection.execute(query.where(columns.task_id == task["task_id"])).mappings().first()


def _set(connection: Connection, task: RowMapping, **values: object) -> None:
    mine = update(review_task).where(review_task.c.task_id == task["task_id"])
    connection.execute(mine.values(**values))
