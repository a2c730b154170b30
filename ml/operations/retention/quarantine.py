"""Purge resolved quarantine rows.

A row is resolved once a later run released it, or once a newer object under its key was scored. An
unresolved row stays, however old: it is the only record that the photo was never scored. So does a
row that a recent or unreconciled run counts in its accounting.
"""

from ml.operations.retention.plan import Plan
from ml.operations.retention.purge import Purged, Purging, expire_runs, purge_in_batches
from ml.storage.connections import Connections
from ml.storage.expired_rows import expired_quarantine

KIND = "quarantine"


def purge_quarantine(plan: Plan, connections: Connections) -> Purged:
    """Delete the resolved rows, a batch per transaction."""
    days = plan.retention.quarantine_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    expire_runs(purging)
    purge_in_batches(expired_quarantine(purging.since), purging)
    return purging.purged()
