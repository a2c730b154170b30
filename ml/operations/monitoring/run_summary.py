"""Summary of one nightly run: its accounting, state and gauges, and whether a run is overdue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping

from ml.core.errors import QuarantineReason
from ml.core.metrics import Gauge, send_gauges
from ml.core.settings import load_settings
from ml.core.window import Window, resolve_window
from ml.storage.read.run_summary import RunRank, count_by_outcome, find_run_row, latest_run_row

_GRACE = timedelta(minutes=30)  # after the schedule's tick, before a run counts as overdue
_OUTCOMES = ("judged", "quarantined", "already_judged")
_YUAN = ("manual_only", "machine", "review", "saved")


@dataclass(frozen=True)
class NightlyRun:
    """A run of `audit_run`.

    `listed` is None until the listing is done. `judged`, `quarantined` and `already_judged` are
    those of the reconciliation, and before it those counted so far; `undecided` photos have no
    outcome (0 once reconciled). `variant` is the hash of the int8 variant, `fallback` says why
    scores are not computed in the way that came first. `report` is None until the last step.
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
    variant: str | None
    fallback: str | None
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


def find_run(connection: Connection, run_id: str | None = None) -> NightlyRun | None:
    """A run, by default that with the latest window; None where no `preflight` has finished."""
    row = latest_run_row(connection) if run_id is None else find_run_row(connection, run_id)
    return None if row is None else _nightly_run(connection, row)


def overdue(
    newest_end: datetime | None, *, now: datetime, schedule: str, timezone: str
) -> datetime | None:
    """End of the last scheduled window, where no run covers it yet; else None.

    `newest_end` is the end of the newest run's window. The cron expression of the nightly run is
    read in the time zone (IANA name).
    """
    due = resolve_window(
        requested=(None, None),
        data_interval=None,
        run_after=now - _GRACE,
        schedule=schedule,
        timezone=timezone,
    )
    return due.end if newest_end is None or newest_end < due.end else None


def _nightly_run(connection: Connection, row: RowMapping) -> NightlyRun:
    so_far: dict[str | None, int] = {}
    if row["state"] != "reconciled":
        so_far = count_by_outcome(connection, row["run_id"])
    counts = {n: so_far.get(n, 0) if row[n] is None else row[n] for n in _OUTCOMES}
    columns = {name: row[name] for name in NightlyRun.__dataclass_fields__ if name in row}
    return NightlyRun(
        **(columns | counts),
        window=Window(row["window_start"], row["window_end"]),
        ended_at=row["reconciled_at"],
        undecided=so_far.get(None, 0),
    )


def run_gauges(report: Mapping[str, Any]) -> list[Gauge]:
    """The gauges of a run's stored report (`ml.moderation.nightly.report`).

    A quarantine reason that did not occur is sent as 0: a metrics server keeps the last value,
    which would be another run's. An unknown value (no photos, no rate) is left out.
    """
    reasons = report["quarantine_reasons"]
    numbers: dict[str, float | None] = {f"photos.{n}": report[n] for n in ("listed", *_OUTCOMES)}
    numbers |= {f"verdicts.{name}": photos for name, photos in report["verdicts"].items()}
    numbers |= {f"quarantine.{r.value}": reasons.get(r.value, 0) for r in QuarantineReason}
    numbers |= {f"seconds.{stage}": value for stage, value in report["seconds"].items()}
    numbers |= {f"yuan.{name}": report["yuan"][name] for name in _YUAN}
    numbers["images_per_second"] = report["images_per_second"]
    return [Gauge(f"audit.{name}", value) for name, value in numbers.items() if value is not None]


def send_run_gauges(report: Mapping[str, Any]) -> None:
    """Send the gauges of a stored report to the StatsD server of the settings."""
    send_gauges(run_gauges(report), load_settings())
