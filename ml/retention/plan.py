"""What a run of `purge_expired` may delete: fixed once, when it starts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ml.policy.retention import Retention


@dataclass(frozen=True)
class Plan:
    """Ages count back from `cut_off`, the end of the run's data interval, whenever it runs.

    A `dry_run` only counts: its transactions are read-only, and it touches no bucket.
    """

    run_id: str
    cut_off: datetime
    dry_run: bool
    retention: Retention

    def since(self, days: int) -> datetime:
        """What is older than this has had its days."""
        return self.cut_off - timedelta(days=days)

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be handed from task to task."""
        return {
            "run_id": self.run_id,
            "cut_off": self.cut_off.isoformat(),
            "dry_run": self.dry_run,
            "retention": self.retention.model_dump(mode="json"),
        }


def from_json(values: dict[str, Any]) -> Plan:
    """What `to_json` wrote."""
    return Plan(
        run_id=values["run_id"],
        cut_off=datetime.fromisoformat(values["cut_off"]),
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
        run_after: in its place.
        dry_run: as asked for; None: a run by hand only counts, a scheduled one follows the policy.
        by_hand: a person started it.
    """
    return Plan(
        run_id=run_id,
        cut_off=interval_end or run_after,
        dry_run=by_hand if dry_run is None else dry_run,
        retention=retention,
    )
