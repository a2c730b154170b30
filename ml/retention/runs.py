"""Past runs whose rows a purge may touch: from then on their stored account is what holds."""

from datetime import datetime

from sqlalchemy import Connection, text

from ml.retention.purging import Count, Purging

# A run counts by its window and by when it began: an old window may have been judged again of late.
OLD_RUN = "r.state = 'reconciled' and greatest(r.window_end, r.started_at) < :since"

_EXPIRE = text(
    f"""
    update moderation.audit_run r set expired_at = :cut_off
    where r.expired_at is null and {OLD_RUN}
    """  # noqa: S608 - built from a constant
)


def expire_runs(purging: Purging) -> None:
    """Mark the reconciled runs that have had their days; nothing in a dry run."""
    if purging.plan.dry_run:
        return

    def mark(connection: Connection) -> Count:
        values: dict[str, datetime] = {"cut_off": purging.plan.cut_off, "since": purging.since}
        connection.execute(_EXPIRE, values)
        return Count()

    purging.batch(mark)
