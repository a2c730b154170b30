"""`moderation.alert`: when each alert was raised, resolved, and delivered to the webhook."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from ml.core.types import Alert, AlertKind
from ml.storage.schema import alert as table

_OPEN = table.c.resolved_at.is_(None)
_UNDELIVERED = or_(
    and_(_OPEN, table.c.notified_at.is_(None)),
    # Do not announce the resolution of an alert whose raising was never delivered.
    and_(~_OPEN, table.c.notified_at.is_not(None), table.c.resolution_notified_at.is_(None)),
)


@dataclass(frozen=True)
class StoredAlert:
    """A row; `resolved_at` is None while it is open, `notified_at` until its delivery."""

    alert_id: int
    alert: Alert
    raised_at: datetime
    resolved_at: datetime | None
    notified_at: datetime | None

    @property
    def message_id(self) -> str:
        """Id of the message: the same when it is sent again, so that its receiver can drop it."""
        return f"alert-{self.alert_id}-{'open' if self.resolved_at is None else 'resolved'}"


def raise_alert(connection: Connection, alert: Alert) -> bool:
    """Open an alert unless it is open; returns whether it is new. Its first details stay."""
    row = insert(table).values(
        kind=alert.kind.value, dedup_key=alert.dedup_key, details=dict(alert.details)
    )
    once = row.on_conflict_do_nothing(index_elements=["kind", "dedup_key"], index_where=_OPEN)
    return connection.execute(once.returning(table.c.alert_id)).first() is not None


def open_alerts(connection: Connection) -> list[StoredAlert]:
    """The open alerts, the oldest first."""
    query = select(table).where(_OPEN).order_by(table.c.alert_id)
    return [_stored(row) for row in connection.execute(query).mappings()]


def resolve(connection: Connection, alerts: Collection[Alert]) -> None:
    """Resolve open alerts; resolved ones stay as they are."""
    names = [(alert.kind.value, alert.dedup_key) for alert in alerts]
    named = update(table).where(_OPEN, tuple_(table.c.kind, table.c.dedup_key).in_(names))
    connection.execute(named.values(resolved_at=func.now()))


def undelivered(connection: Connection) -> list[int]:
    """Ids of the alerts whose raising or resolution is not delivered, in their order."""
    query = select(table.c.alert_id).where(_UNDELIVERED).order_by(table.c.alert_id)
    return list(connection.execute(query).scalars())


def lock_alert(connection: Connection, alert_id: int) -> StoredAlert | None:
    """Lock an undelivered alert; None where another process has locked or delivered it."""
    query = select(table).where(table.c.alert_id == alert_id, _UNDELIVERED)
    row = connection.execute(query.with_for_update(skip_locked=True)).mappings().first()
    return None if row is None else _stored(row)


def mark_delivered(connection: Connection, stored: StoredAlert) -> None:
    """Record that its message was accepted."""
    column = "notified_at" if stored.resolved_at is None else "resolution_notified_at"
    _set(connection, stored, **{column: func.now()}, last_error=None)


def set_error(connection: Connection, stored: StoredAlert, error: str) -> None:
    """Record why its message was not accepted."""
    _set(connection, stored, last_error=error)


def _set(connection: Connection, stored: StoredAlert, **values: object) -> None:
    row = update(table).where(table.c.alert_id == stored.alert_id)
    connection.execute(row.values(**values))


def _stored(row: RowMapping) -> StoredAlert:
    alert = Alert(AlertKind(row["kind"]), row["dedup_key"], row["details"])
    names = ("alert_id", "raised_at", "resolved_at", "notified_at")
    return StoredAlert(alert=alert, **{name: row[name] for name in names})
