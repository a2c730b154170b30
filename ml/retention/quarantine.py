"""Rows of the quarantine that time has resolved.

Resolved is a row that a later run released, or whose key a newer object has that could be judged.
What is still unresolved stays, however old: nothing else says that the photo was never seen. So
does what a run of these days, or one that is not reconciled, counts in its account.
"""

from ml.connections import Connections
from ml.retention.plan import Plan
from ml.retention.purging import Purged, Purging
from ml.retention.rows import limited, purge_in_batches
from ml.retention.runs import OLD_RUN, expire_runs

KIND = "quarantine"

_ROWS = limited(
    "quarantine",
    "object_key, etag",
    f"""
    d.quarantined_at < :since
    and (
        d.released_by is not null
        or exists (
            select from moderation.image was
            join moderation.image now on now.object_key = was.object_key and now.etag <> was.etag
            where was.object_key = d.object_key and was.etag = d.etag
                and now.state = 'judged' and now.uploaded_at >= was.uploaded_at
        )
    )
    and not exists (
        select from moderation.audit_image ai
        join moderation.audit_run r on r.run_id = ai.run_id
        where ai.object_key = d.object_key and ai.etag = d.etag and ai.outcome = 'quarantined'
            and not ({OLD_RUN})
    )
    """,  # noqa: S608 - built from a constant
)


def purge_quarantine(plan: Plan, connections: Connections) -> Purged:
    """Delete the resolved rows, a batch a transaction."""
    days = plan.retention.quarantine_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    expire_runs(purging)
    purge_in_batches(_ROWS, purging, since=purging.since)
    return purging.purged()
