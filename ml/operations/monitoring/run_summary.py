"""Summary of one nightly run: its accounting, its state, and whether a run is overdue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping

from ml.core.window import Window, resolve_window
from ml.storage.read.run_summary import RunRank, count_by_outcome, find_run_row, latest_run_row

GRACE = timedelta(minutes=30)  # after the schedule's tick, before a run counts as overdue


@dataclass(frozen=True)
class NightlyRun:
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

    @property
    def rank(self) -> RunRank:
        """Its place among all runs."""
        return RunRank(self.window.end, self.started_at)


def latest_run(connection: Connection) -> NightlyRun | None:
    """The run with the latest window; None before the first."""
    row = latest_run_row(connection)
    return None if row is None else _nightly_run(connection, row)


def find_run(connection: Connection, run_id: str) -> NightlyRun | None:
    """One run; None where its `preflight` never finished."""
    row = find_run_row(connection, run_id)
    return None if row is None else _nightly_run(connection, row)


def overdue(
    newest_end: datetime | None, *, now: datetime, schedule: str, timezone: str
) -> datetime | None:
    """End of the last scheduled window, where no run covers it yet; else None.

    Args:
        newest_end: end of the newest run's window; None where there is no run.
        now: with a time zone.
        schedule: cron expression of the nightly run, read in `timezone`.
        timezone: IANA name.
    """
    due = resolve_window(
        requested=(None, None),
        data_interval=None,
        run_after=now - GRACE,
        schedule=schedule,
        timezone=timezone,
    )
    return due.end if newest_end is None or newest_end < due.end else None


def _nightly_run(connection: Connection, row: RowMapping) -> NightlyRun:
    so_far: dict[str | None, int] = {}
    if row["state"] != "reconciled":
        so_far = count_by_outcome(connection, row["run_id"])

    def count(outcome: str) -> int:
        reconciled: int | None = row[outcome]
        return so_far.get(outcome, 0) if reconciled is None else reconciled

    return NightlyRun(
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
        judged=count("judged"),
        quarantined=count("quarantined"),
        already_judged=count("already_judged"),
        undecided=so_far.get(None, 0),
        report=row["report"],
    )
