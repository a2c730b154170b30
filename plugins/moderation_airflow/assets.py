"""The assets that the DAGs read and write: lineage in Airflow, and triggers for DAGs of others."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    get_current_context,
)

from ml.core.settings import Settings

# Others announce uploads: an event of this asset may start a nightly run before its time.
UPLOADS = Asset("review_uploads", group="moderation")
VERDICTS = Asset("review_verdicts", group="moderation")
LABELS = Asset("review_labels", group="moderation")
CHAMPION = Asset("moderation_champion", group="moderation")


def nightly_schedule(settings: Settings) -> CronDataIntervalTimetable | AssetOrTimeSchedule:
    """The time of the nightly run and, if the settings say so, each event of `review_uploads`."""
    nightly = CronDataIntervalTimetable(settings.schedule, timezone=settings.timezone)
    if not settings.trigger_on_uploads:
        return nightly
    return AssetOrTimeSchedule(timetable=nightly, assets=[UPLOADS])


def describe_event(asset: Asset, extra: Mapping[str, Any]) -> None:
    """Store what the event of an outlet, which this task emits if it succeeds, is about."""
    get_current_context()["outlet_events"][asset].extra = dict(extra)
