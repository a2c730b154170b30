"""What candidates said of past nights, without effect then and without use now.

Kept is what the shadow of now said, and that of a month that is not over: its approval shows it.
"""

from ml.connections import Connections
from ml.retention.plan import Plan
from ml.retention.purging import Purged, Purging
from ml.retention.rows import limited, purge_in_batches
from ml.retention.runs import OLD_RUN

KIND = "shadow_verdicts"

_ROWS = limited(
    "shadow_verdict",
    "run_id, content_sha256",
    f"""
    d.run_id in (
        select r.run_id from moderation.audit_run r
        where {OLD_RUN}
            and not exists (select from moderation.shadow s where s.model_hash = r.shadow_hash)
            and not exists (
                select from moderation.retrain_run m
                where m.candidate_hash = r.shadow_hash and m.state = 'running'
            )
    )
    """,  # noqa: S608 - built from a constant
)


def purge_shadow_verdicts(plan: Plan, connections: Connections) -> Purged:
    """Delete them by run, a batch a transaction."""
    days = plan.retention.shadow_verdict_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    purge_in_batches(_ROWS, purging, since=purging.since)
    return purging.purged()
