"""Purge rows: superseded verdicts, old shadow verdicts and resolved quarantine rows.

A verdict is kept, whatever its age,
- if it is the latest on its content: the commerce table and the queue's pages show it;
- if it is the champion's: nightly runs reuse it, and drift is measured against it;
- if it is of the model and policy of a recent or unreconciled run: its accounting, replay and page
  need it;
- if reviewers decided on its content, or were asked or may be asked about it: labels, spot checks
  and leak rate, golden set, blocklist, review tasks.

A shadow verdict is kept while its run is recent, or its model is in the shadow or under approval.

A quarantine row is resolved once a later run released it, or once a newer object under its key was
scored. An unresolved row stays, however old: it is the only record that the photo was never scored.
So does a row that a recent or unreconciled run counts in its accounting.
"""

from functools import partial

from ml.operations.retention.purge import Purging
from ml.storage.database import in_transaction
from ml.storage.expired_rows import (
    ExpiredRows,
    expired_quarantine,
    expired_shadow_verdicts,
    last_content_of_page,
    mark_runs_expired,
    superseded_verdicts,
)

ROWS_PER_BATCH = 10_000


def purge_verdicts(purging: Purging) -> None:
    """Walk the verdicts by content, a batch of contents per transaction."""
    _expire_runs(purging)
    engine, after = purging.connections.engine, ""
    while until := in_transaction(engine, last_content_of_page, after, ROWS_PER_BATCH):
        purging.delete(superseded_verdicts(purging.since, after=after, until=until))
        after = until


def purge_quarantine(purging: Purging) -> None:
    """Delete the resolved rows, a batch per transaction."""
    _expire_runs(purging)
    _delete_in_batches(expired_quarantine(purging.since), purging)


def purge_shadow_verdicts(purging: Purging) -> None:
    """Delete shadow verdicts by run, a batch per transaction."""
    _delete_in_batches(expired_shadow_verdicts(purging.since), purging)


def _delete_in_batches(rows: ExpiredRows, purging: Purging) -> None:
    """Delete rows, a batch per transaction; a dry run counts them in one."""
    while True:
        count = purging.delete(rows, limit=ROWS_PER_BATCH)
        if purging.plan.dry_run or count.items < ROWS_PER_BATCH:
            return


def _expire_runs(purging: Purging) -> None:
    """Mark the reconciled runs that are old enough to purge; nothing in a dry run."""
    if not purging.plan.dry_run:
        mark = partial(mark_runs_expired, cutoff=purging.plan.cutoff, since=purging.since)
        in_transaction(purging.connections.engine, mark)
