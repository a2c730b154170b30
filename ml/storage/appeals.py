"""`moderation.appeal`: objections to decisions, and the task that an objection reopens."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, insert, select, text

from ml.storage.schema import appeal

# A photo that was passed or blocked without a review gets its task now.
_OPEN_TASK = text(
    """
    with newest as (
        select object_key, etag, content_sha256 from moderation.image
        where object_key = :object_key and content_sha256 is not null
        order by uploaded_at desc limit 1
    ),
    scored as (
        select n.object_key, n.etag, v.* from newest n
        join moderation.verdict v on v.content_sha256 = n.content_sha256
        order by v.judged_at desc limit 1
    )
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id
    )
    select object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        violation_score, run_id
    from scored
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)
_FIND_TASK = text(
    """
    select t.task_id from moderation.review_task t
    join moderation.image i on i.object_key = t.object_key and i.etag = t.etag
    where t.object_key = :object_key and t.kind = 'verdict' and i.content_sha256 is not null
    order by i.uploaded_at desc limit 1
    """
)


@dataclass(frozen=True)
class Appeal:
    """An objection to the decisions on a task up to `superseded_label_id` (0: there are none)."""

    task_id: int
    reason: str
    appealed_by: str
    superseded_label_id: int


def find_or_open_task(connection: Connection, object_key: str) -> int | None:
    """The task of an object's newest content that has one, opened now if the newest has none.

    None where there is no task and no verdict to open one from.
    """
    key = {"object_key": object_key}
    connection.execute(_OPEN_TASK, key)
    task_id: int | None = connection.execute(_FIND_TASK, key).scalar()
    return task_id


def has_appeal(connection: Connection, appealed: Appeal) -> bool:
    """Whether this very appeal was written before."""
    same = (appeal.c[name] == value for name, value in asdict(appealed).items())
    return connection.execute(select(appeal.c.appeal_id).where(*same)).first() is not None


def add_appeal(connection: Connection, appealed: Appeal) -> None:
    """Append an appeal."""
    connection.execute(insert(appeal).values(asdict(appealed)))


def load_superseded_label_id(connection: Connection, task_id: int) -> int:
    """The last label that the task's appeals supersede: only later ones answer them; 0: none."""
    query = select(func.coalesce(func.max(appeal.c.superseded_label_id), 0))
    label_id: int = connection.execute(query.where(appeal.c.task_id == task_id)).scalar_one()
    return label_id
