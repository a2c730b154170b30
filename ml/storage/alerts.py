"""`moderation.alert`: what was wrong, from when to when, and what its receiver was told."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from ml.alerting.alert import Alert
from ml.policy.alerting import AlertKind
from ml.storage.schema import alert as table

_OPEN = table.c.resolved_at.is_(None)
_TO_TELL = or_(
    and_(_OPEN, table.c.told_at.is_(None)),
    # Of the end of what nobody was told of, nobody need be told.
    and_(~_OPEN, table.c.told_at.is_not(None), table.c.told_over_at.is_(None)),
)


@dataclass(frozen=True)
class StoredAlert:
    """A row; `resolved_at` is None while it is open, `told_at` while nobody was told."""

    alert_id: int
    alert: Alert
    raised_at: datetime
    resolved_at: datetime | None
    told_at: datetime | None
    last_error: str | None

    @property
    def message_id(self) -> str:
        """Names a message: the same when it is sent again, so that its receiver can drop it."""
        return f"alert-{self.alert_id}-{'open' if self.resolved_at is None else 'resolved'}"


def raise_alert(connection: Connection, alert: Alert) -> bool:
    """Open an alert unless it is; returns whether it is new. Its first details stand."""
    row = insert(table).values(kind=alert.kind.value, fact=alert.fact, details=dict(alert.details))
    once = row.on_conflict_do_nothing(index_elements=["kind", "fact"], index_where=_OPEN)
    return connection.execute(once.returning(table.c.alert_id)).first() is not None


def open_alerts(connection: Connection) -> list[StoredAlert]:
    """What is wrong now, the longest first."""
    query = select(table).where(_OPEN).order_by(table.c.alert_id)
    return [_stored(row) for row in connection.execute(query).mappings()]


def resolve(connection: Connection, alerts: Collection[Alert]) -> None:
    """Close open alerts; those closed already stay as they are."""
    names = [(alert.kind.value, alert.fact) for alert in alerts]
    closed = update(table).where(_OPEN, tuple_(table.c.kind, table.c.fact).in_(names))
    connection.execute(closed.values(resolved_at=func.now()))


def to_tell(connection: Connection) -> list[int]:
    """Ids of the alerts whose beginning or end is still to be told, in their order."""
    query = select(table.c.alert_id).where(_TO_TELL).order_by(table.c.alert_id)
    return list(connection.execute(query).scalars())


def take(connection: Connection, alert_id: int) -> StoredAlert | None:
    """Lock an alert that is still to be told; None where another process has it or told it."""
    query = select(table).where(table.c.alert_id == alert_id, _TO_TELL)
    row = connection.execute(query.with_for_update(skip_locked=True)).mappings().first()
    return None if row is None else _stored(row)


def set_told(connection: Connection, stored: StoredAlert) -> None:
    """Its message was taken."""
    told = {"told_at" if stored.resolved_at is None else "told_over_at": func.now()}
    row = update(table).where(table.c.alert_id == stored.alert_id)
    connection.execute(row.values(**told, last_error=None))


def set_error(connection: Connection, stored: StoredAlert, error: str) -> None:
    """Its message was not taken."""
    row = update(table).where(table.c.alert_id == stored.alert_id)
    connection.execute(row.values(last_error=error))


def _stored(row: Any) -> StoredAlert:  # noqa: ANN401 - a row mapping
    return StoredAlert(
        alert_id=row["alert_id"],
        alert=Alert(AlertKind(row["kind"]), row["fact"], row["details"]),
        raised_at=row["raised_at"],
        resolved_at=row["resolved_at"],
        told_at=row["told_at"],
        last_error=row["last_error"],
    )
