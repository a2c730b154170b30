"""Purge superseded verdicts and old shadow verdicts.

A verdict is kept, whatever its age,
- if it is the latest on its content: the commerce table and the queue's pages show it;
- if it is the champion's: nightly runs reuse it, and drift is measured against it;
- if it is of the model and policy of a recent or unreconciled run: its accounting, replay and page
  need it;
- if reviewers decided on its content, or were asked or may be asked about it: labels, spot checks
  and leak rate, golden set, blocklist, review tasks.

A shadow verdict is kept while its run is recent, or its model is in the shadow or under approval.
"""

from collections.abc import Iterator

from sqlalchemy import Engine

from ml.operations.retention.plan import Plan
from ml.operations.retention.purge import (
    ROWS_PER_BATCH,
    Purged,
    Purging,
    expire_runs,
    purge_in_batches,
)
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.expired_rows import (
    expired_shadow_verdicts,
    last_content_of_page,
    superseded_verdicts,
)

KIND = "verdicts"
SHADOW_KIND = "shadow_verdicts"


def purge_shadow_verdicts(plan: Plan, connections: Connections) -> Purged:
    """Delete shadow verdicts by run, a batch per transaction."""
    days = plan.retention.shadow_verdict_days
    if days is None:
        return Purged(SHADOW_KIND, None)
    purging = Purging(SHADOW_KIND, days, plan, connections)
    purge_in_batches(expired_shadow_verdicts(purging.since), purging)
    return purging.purged()


def purge_verdicts(plan: Plan, connections: Connections) -> Purged:
    """Walk the verdicts by content, a batch of contents per transaction."""
    days = plan.retention.verdict_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    expire_runs(purging)
    for after, until in _content_ranges(connections.engine):
        purging.delete(superseded_verdicts(purging.since, after=after, until=until))
    return purging.purged()


def _content_ranges(engine: Engine) -> Iterator[tuple[str, str]]:
    """Ranges of content hashes, the first excluded and the last included, one per transaction."""
    after = ""
    while True:
        until = in_transaction(engine, last_content_of_page, after, ROWS_PER_BATCH)
        if until is None:
            return
        yield after, until
        after = until
