"""One kind of data in one run of `purge_expired`: the plan, batches of deletions, and their count.

A batch and its count are one transaction; files, which are in none, are counted before the first is
deleted. So a retry of a killed run continues and reports the whole. The count stays in
`moderation.purge`, as the record of what was deleted when and why.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from ml.core.settings import Settings
from ml.core.yaml_file import StrictModel
from ml.policy.operations import Retention
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.expired_rows import ExpiredRows
from ml.storage.purge import Count, add_count, begin_purge, load_count, set_read_only

log = structlog.get_logger()


class Plan(StrictModel):
    """Plan of a run, fixed once when it starts.

    Ages count back from `cutoff`, the end of the run's data interval, whenever it runs. A `dry_run`
    only counts: its transactions are read-only, and it touches no bucket.
    """

    run_id: str
    cutoff: datetime
    dry_run: bool
    retention: Retention


@dataclass(frozen=True)
class Purged:
    """What a run deleted of a kind, or would have; `days` None: the policy keeps it for ever."""

    kind: str
    days: int | None
    items: int = 0
    bytes: int = 0


class Purging:
    """Runs the batches of one kind; data from before `since` is expired."""

    def __init__(
        self, kind: str, days: int, plan: Plan, connections: Connections, settings: Settings
    ) -> None:
        self.kind = kind
        self.plan = plan
        self.connections = connections
        self.settings = settings
        self.since = plan.cutoff - timedelta(days=days)
        self._days = days
        self._counted = Count()

    def begin(self, planned: Count = Count()) -> None:  # noqa: B008 - immutable
        """Write the row of this run and kind, and what it will delete; a retry changes nothing."""
        if self.plan.dry_run:
            self._counted += planned
        else:
            in_transaction(self.connections.engine, self._begin, planned)

    def batch(self, work: Callable[[Connection], Count]) -> Count:
        """Run and count a batch in one transaction; in a dry run, in a read-only one."""
        count = in_transaction(self.connections.engine, self._run, work)
        self._counted += count
        return count

    def delete(self, rows: ExpiredRows) -> Count:
        """Delete rows in a batch; a dry run counts them."""
        return self.batch(rows.count if self.plan.dry_run else rows.delete)

    def purged(self) -> Purged:
        """The result, earlier attempts of the same run included."""
        count = self._counted
        if not self.plan.dry_run:
            self.begin()
            run_id = self.plan.run_id
            count = in_transaction(self.connections.engine, load_count, run_id, self.kind)
        log.info("purged", kind=self.kind, dry_run=self.plan.dry_run, **asdict(count))
        return Purged(self.kind, self._days, count.items, count.bytes)

    def _begin(self, connection: Connection, planned: Count) -> None:
        plan = self.plan
        begin_purge(
            connection, plan.run_id, self.kind, cutoff=plan.cutoff, days=self._days, planned=planned
        )

    def _run(self, connection: Connection, work: Callable[[Connection], Count]) -> Count:
        if self.plan.dry_run:
            set_read_only(connection)
            return work(connection)
        self._begin(connection, Count())
        count = work(connection)
        add_count(connection, self.plan.run_id, self.kind, count)
        return count
