"""`moderation.review_task`: one image waiting for a person."""

import json
from typing import Any

from sqlalchemy import Connection, select, text

from ml.audit.random_audit import Draw, draw, priority_among_reviews
from ml.policy.policy import Policy
from ml.storage.audit_runs import AuditRun
from ml.storage.schema import audit_key
from ml.storage.write_back import KeyRange

_OPEN = text(
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id
    )
    select object_key, etag, content_sha256, model_hash, policy_version, reasons,
        violation_score,
        coalesce((
            select sum(cast(scores ->> name as float) * cast(weight as float))
            from jsonb_each_text(cast(:weights as jsonb)) as weighted(name, weight)
        ), violation_score),
        run_id
    from moderation.audit_result
    where run_id = :run_id and decision = 'review'
        and object_key > :after and object_key <= :upto
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)


def open_tasks(connection: Connection, run: AuditRun, keys: KeyRange) -> int:
    """Open a task for each image of the range whose verdict is `review`; returns how many are new.

    An image keeps the task it has, open or decided. The priority is the sum of the violation
    classes' scores by `Policy.priority_weights`.
    """
    values = {**_range(run, keys), "weights": json.dumps(run.policy.priority_weights)}
    return connection.execute(_OPEN, values).rowcount


# A content is asked once, however many names it has; what people decided on is known already.
_SETTLED = text(
    """
    select distinct on (content_sha256) object_key, etag, content_sha256, model_hash,
        policy_version, decision, reasons, violation_score, run_id
    from moderation.audit_result ar
    where run_id = :run_id and decision = any(cast(:decisions as text[]))
        and object_key > :after and object_key <= :upto and reused_label is null
        and not exists (
            select from moderation.review_task t
            where t.content_sha256 = ar.content_sha256 and t.route = 'random_audit'
        )
    order by content_sha256, object_key
    """
)

_OPEN_AUDIT = text(
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id, route, sampling_rate
    )
    values (
        :object_key, :etag, :content_sha256, :model_hash, :policy_version, :reasons,
        :violation_score, :priority, :run_id, 'random_audit', :sampling_rate
    )
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)


def open_audit_tasks(connection: Connection, run: AuditRun, keys: KeyRange) -> int:
    """Open a task for each settled image of the range that the random audit draws; again none.

    The image's status stays what the verdict says until a person decides otherwise. Returns how
    many tasks are new: an image that waits for a person already, or did, keeps the task it has.
    """
    decisions = [d for d in ("pass", "block") if run.policy.random_audit.share(d) > 0]
    if not decisions:
        return 0
    key = connection.execute(select(audit_key.c.key)).scalar_one()
    settled = connection.execute(_SETTLED, {**_range(run, keys), "decisions": decisions})
    drawn = []
    for row in settled.mappings():
        lots = draw(key, row["content_sha256"])
        if lots.lot < run.policy.random_audit.share(row["decision"]):
            drawn.append(_audit_task(dict(row), lots, run.policy))
    return connection.execute(_OPEN_AUDIT, drawn).rowcount if drawn else 0


def _audit_task(row: dict[str, Any], lots: Draw, policy: Policy) -> dict[str, Any]:
    decision = row.pop("decision")
    return {
        **row,
        "reasons": ["random_audit"],  # never shown to reviewers (ml/review/unaware.py)
        "priority": priority_among_reviews(lots, policy),
        "sampling_rate": policy.random_audit.share(decision),
    }


def _range(run: AuditRun, keys: KeyRange) -> dict[str, Any]:
    return {"run_id": run.run_id, "after": keys.after, "upto": keys.upto}
