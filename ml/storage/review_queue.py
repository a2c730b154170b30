"""`moderation.review_task`: one image waiting for a person."""

from sqlalchemy import Connection, text

from ml.storage.write_back import KeyRange

_OPEN = text(
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id
    )
    select object_key, etag, content_sha256, model_hash, policy_version, reasons,
        violation_score, violation_score, run_id
    from moderation.audit_result
    where run_id = :run_id and decision = 'review'
        and object_key > :after and object_key <= :upto
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)


def open_tasks(connection: Connection, run_id: str, keys: KeyRange) -> int:
    """Open a task for each image of the range whose verdict is `review`; returns how many are new.

    An image keeps the task it has, open or decided.
    """
    values = {"run_id": run_id, "after": keys.after, "upto": keys.upto}
    return connection.execute(_OPEN, values).rowcount
