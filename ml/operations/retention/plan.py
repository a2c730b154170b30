"""Plan of a run of `purge_expired`: fixed once, when it starts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ml.policy.operations import Retention


@dataclass(frozen=True)
class Plan:
    """Ages count back from `cutoff`, the end of the run's data interval, whenever it runs.

    A `dry_run` only counts: its transactions are read-only, and it touches no bucket.
    """

    run_id: str
    cutoff: datetime
    dry_run: bool
    retention: Retention

    def expiry_cutoff(self, days: int) -> datetime:
        """Data older than this is expired."""
        return self.cutoff - timedelta(days=days)

    def to_json(self) -> dict[str, Any]:
        """Plain values, to pass from task to task."""
        return {
            "run_id": self.run_id,
            "cutoff": self.cutoff.isoformat(),
            "dry_run": self.dry_run,
            "retention": self.retention.model_dump(mode="json"),
        }


def from_json(values: dict[str, Any]) -> Plan:
    """The plan that `to_json` wrote."""
    return Plan(
        run_id=values["run_id"],
        cutoff=datetime.fromisoformat(values["cutoff"]),
        dry_run=values["dry_run"],
        retention=Retention.model_validate(values["retention"]),
    )


def make_plan(
    run_id: str,
    *,
    retention: Retention,
    interval_end: datetime | None,
    run_after: datetime,
    dry_run: bool | None,
    by_hand: bool,
) -> Plan:
    """The plan of a run.

    Args:
        run_id: of the workflow.
        retention: the policy's section.
        interval_end: of the data interval, if there is one.
        run_after: the cutoff where there is no data interval.
        dry_run: as asked for; None: a manual run only counts, a scheduled one deletes.
        by_hand: whether a user started it.
    """
    return Plan(
        run_id=run_id,
        cutoff=interval_end or run_after,
        dry_run=by_hand if dry_run is None else dry_run,
        retention=retention,
    )
