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
    expired_shadow_runs,
    mark_runs_expired,
    shadow_verdicts_of,
    superseded_verdicts,
)

ROWS_PER_BATCH = 10_000


def purge_verdicts(purging: Purging) -> None:
    """Delete the superseded verdicts, by content."""
    _expire_runs(purging)
    _delete_in_batches(superseded_verdicts(purging.since), purging)


def purge_quarantine(purging: Purging) -> None:
    """Delete the resolved rows, by object key."""
    _expire_runs(purging)
    _delete_in_batches(expired_quarantine(purging.since), purging)


def purge_shadow_verdicts(purging: Purging) -> None:
    """Delete shadow verdicts, by run and content."""
    engine = purging.connections.engine
    for run_id in in_transaction(engine, expired_shadow_runs, purging.since):
        _delete_in_batches(shadow_verdicts_of(run_id), purging)


def _delete_in_batches(rows: ExpiredRows, purging: Purging) -> None:
    """Walk the rows, a page of them in a transaction: each is read once, deleted or kept."""
    engine, after = purging.connections.engine, ""
    while until := in_transaction(engine, rows.last_of_page, after, ROWS_PER_BATCH):
        purging.delete(rows.between(after, until))
        after = until


def _expire_runs(purging: Purging) -> None:
    """Mark the reconciled runs that are old enough to purge; nothing in a dry run."""
    if not purging.plan.dry_run:
        mark = partial(mark_runs_expired, cutoff=purging.plan.cutoff, since=purging.since)
        in_transaction(purging.connections.engine, mark)
