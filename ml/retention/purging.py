"""One kind of one run: batches of deletions, and how much they came to.

A batch and its count are one transaction, so that a killed run, tried again, goes on and reports
the whole. The count stays in `moderation.purge`, as the record of what was deleted when and why.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ml.connections import Connections
from ml.retention.plan import Plan
from ml.storage.database import in_transaction
from ml.storage.schema import purge

log = structlog.get_logger()

ROWS_A_BATCH = 10_000


@dataclass(frozen=True)
class Count:
    """Rows or files, and their bytes: of a file its size, of a row what it takes uncompressed."""

    items: int = 0
    bytes: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.items + other.items, self.bytes + other.bytes)


@dataclass(frozen=True)
class Purged:
    """What a run deleted of a kind, or would have; `days` None: the policy keeps it for ever."""

    kind: str
    days: int | None
    items: int = 0
    bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class Purging:
    """Runs the batches of one kind.

    Args:
        kind: its name.
        days: of the policy.
        plan: of the run.
        connections: open ones.
    """

    def __init__(self, kind: str, days: int, plan: Plan, connections: Connections) -> None:
        self.kind = kind
        self.days = days
        self.plan = plan
        self.connections = connections
        self.since = plan.since(days)
        self._counted = Count()
        if not plan.dry_run:
            in_transaction(connections.engine, self._begin)

    def batch(self, work: Callable[[Connection], Count]) -> Count:
        """Run a batch in a transaction and count it; in a dry run one that can write nothing."""

        def counted(connection: Connection) -> Count:
            if self.plan.dry_run:
                connection.execute(text("set transaction read only"))
                return work(connection)
            count = work(connection)
            connection.execute(
                update(purge)
                .where(purge.c.run_id == self.plan.run_id, purge.c.kind == self.kind)
                .values(deleted=purge.c.deleted + count.items, bytes=purge.c.bytes + count.bytes)
            )
            return count

        count = in_transaction(self.connections.engine, counted)
        self._counted += count
        return count

    def purged(self) -> Purged:
        """What it came to, earlier attempts of the same run included."""
        count = self._counted
        if not self.plan.dry_run:
            count = in_transaction(self.connections.engine, self._stored)
        log.info("purged", kind=self.kind, dry_run=self.plan.dry_run, **asdict(count))
        return Purged(self.kind, self.days, count.items, count.bytes)

    def _begin(self, connection: Connection) -> None:
        row = insert(purge).values(
            run_id=self.plan.run_id, kind=self.kind, cut_off=self.plan.cut_off, days=self.days
        )
        connection.execute(row.on_conflict_do_nothing())

    def _stored(self, connection: Connection) -> Count:
        query = select(purge.c.deleted, purge.c.bytes).where(
            purge.c.run_id == self.plan.run_id, purge.c.kind == self.kind
        )
        return Count(*connection.execute(query).one())
