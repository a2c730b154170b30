"""One night as an operator sees it: its account, its state, and whether one is overdue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from ml.audit.window import Window, resolve_window
from ml.storage.schema import audit_image, audit_run

GRACE = timedelta(minutes=30)  # after the schedule's tick, before a night counts as overdue


@dataclass(frozen=True)
class Night:
    """A run of `audit_run`.

    `listed` is None until the listing is done. `judged`, `quarantined` and `already_judged` are
    those of the reconciliation, and before it those counted so far; `undecided` photos have no
    outcome (0 once reconciled). `report` is None until the last step.
    """

    run_id: str
    window: Window
    model_hash: str
    policy_version: str
    device: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    shadow_hash: str | None
    listed: int | None
    judged: int
    quarantined: int
    already_judged: int
    undecided: int
    report: Mapping[str, Any] | None

    @property
    def missing(self) -> int | None:
        """Listed photos that the three outcomes do not account for; None before the listing."""
        if self.listed is None:
            return None
        return self.listed - self.judged - self.quarantined - self.already_judged

    @property
    def balanced(self) -> bool:
        """Whether listed = judged + quarantined + already judged."""
        return self.missing == 0


def newest(connection: Connection) -> Night | None:
    """The night with the latest window, so that a backfill does not hide last night."""
    order = (audit_run.c.window_end.desc(), audit_run.c.started_at.desc(), audit_run.c.run_id)
    row = connection.execute(select(audit_run).order_by(*order).limit(1)).mappings().first()
    return None if row is None else _night(connection, row)


def find(connection: Connection, run_id: str) -> Night | None:
    """One night; None where its `preflight` never finished."""
    query = select(audit_run).where(audit_run.c.run_id == run_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _night(connection, row)


def overdue(
    newest_end: datetime | None, *, now: datetime, schedule: str, timezone: str
) -> datetime | None:
    """End of the last scheduled window, where no night has answered for it; else None.

    Args:
        newest_end: end of the newest night's window; None where there is no night.
        now: with a time zone.
        schedule: cron expression of the night, read in `timezone`.
        timezone: IANA name.
    """
    due = resolve_window(
        given=(None, None),
        data_interval=None,
        run_after=now - GRACE,
        schedule=schedule,
        timezone=timezone,
    )
    return due.end if newest_end is None or newest_end < due.end else None


def _night(connection: Connection, row: RowMapping) -> Night:
    counted: dict[str | None, int] = {}
    if row["state"] != "reconciled":
        counted = _by_outcome(connection, row["run_id"])

    def number(name: str) -> int:
        stored: int | None = row[name]
        return counted.get(name, 0) if stored is None else stored

    return Night(
        run_id=row["run_id"],
        window=Window(row["window_start"], row["window_end"]),
        model_hash=row["model_hash"],
        policy_version=row["policy_version"],
        device=row["device"],
        state=row["state"],
        started_at=row["started_at"],
        ended_at=row["reconciled_at"],
        shadow_hash=row["shadow_hash"],
        listed=row["listed"],
        judged=number("judged"),
        quarantined=number("quarantined"),
        already_judged=number("already_judged"),
        undecided=counted.get(None, 0),
        report=row["report"],
    )


def _by_outcome(connection: Connection, run_id: str) -> dict[str | None, int]:
    outcome = audit_image.c.outcome
    query = select(outcome, func.count()).where(audit_image.c.run_id == run_id).group_by(outcome)
    return {row[0]: row[1] for row in connection.execute(query)}
