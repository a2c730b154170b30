"""Policy sections `alerts` and `retention`."""

from datetime import time
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from ml.core.settings import MAX_LOOKBACK_DAYS
from ml.core.types import AlertKind
from ml.core.yaml_file import StrictModel


class Alerts(StrictModel):
    """When alerts are raised; the kinds in `muted` never are.

    `nightly_run_deadline` is a time of day in the settings' time zone; a nightly run must finish
    before its first occurrence after the end of the window. `review_rate_photos` is the minimum
    number of verdicts at which a run's review rate is checked, against the band
    `reviewing.review_rate_alert`; the leak rate is checked against `retraining.leak_bound`.
    `queue_hours` is the maximum wait of a photo, `promotion_months` the maximum time without a new
    model.
    """

    nightly_run_deadline: time = time(6)
    review_rate_photos: Annotated[int, Field(ge=1)] = 200
    queue_hours: Annotated[float, Field(gt=0.0, le=8760.0)] = 24.0
    promotion_months: Annotated[int, Field(ge=1, le=120)] = 3
    muted: frozenset[AlertKind] = frozenset()

    @field_validator("nightly_run_deadline", mode="before")
    @classmethod
    def _check_quoted(cls, value: object) -> object:
        # YAML reads 06:00 without quotes as the number 360.
        if not isinstance(value, str | time):
            raise ValueError('write the time of day in quotes, such as "06:00"')  # noqa: TRY004 - pydantic reports ValueError
        return value

    @field_validator("nightly_run_deadline")
    @classmethod
    def _check_no_zone(cls, deadline: time) -> time:
        if deadline.tzinfo is not None:
            raise ValueError("no time zone here: it is MODERATION_TIMEZONE")
        return deadline


MAX_DAYS = 36_500

_LOOKBACK = (MAX_LOOKBACK_DAYS + 1, f"a nightly run may look {MAX_LOOKBACK_DAYS} days back")
_APPROVAL = (7, "a retraining run that waits for its approval needs them")
_MIN_DAYS = {
    "verdict_days": _LOOKBACK,
    "quarantine_days": _LOOKBACK,
    "shadow_verdict_days": _APPROVAL,
    "training_artifact_days": _APPROVAL,
    "report_photo_days": _APPROVAL,
    "archived_photo_days": (1, "counted from the decision"),
}


class Retention(StrictModel):
    """Days after which a kind of rows or files is deleted; None keeps it for ever.

    - `verdict_days`: superseded verdicts of model versions that no run has used since.
    - `quarantine_days`: quarantine rows that a later run resolved.
    - `shadow_verdict_days`: verdicts of a candidate in the shadow.
    - `training_artifact_days`: files of a training run, since they were last written.
    - `report_photo_days`: thumbnails in a model's report.
    - `archived_photo_days`: copies of photos, since the last decision on them.

    docs/retention.md says what is kept in spite of these limits, and why.
    """

    verdict_days: int | None = None
    quarantine_days: int | None = None
    shadow_verdict_days: int | None = None
    training_artifact_days: int | None = None
    report_photo_days: int | None = None
    archived_photo_days: int | None = None

    @field_validator("*")
    @classmethod
    def _check_range(cls, days: int | None, field: ValidationInfo) -> int | None:
        min_days, reason = _MIN_DAYS[field.field_name or ""]
        if days is not None and not min_days <= days <= MAX_DAYS:
            raise ValueError(
                f"from {min_days} ({reason}) to {MAX_DAYS:,} days; leave it out to keep for ever"
            )
        return days
