"""Sections of the policy that verdicts ignore: `reviewing`, `spot_check`, `alerts` and others."""

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ml.core.settings import MAX_LOOKBACK_DAYS
from ml.core.types import AlertKind
from ml.core.yaml_file import StrictModel

HalfShare = Annotated[float, Field(ge=0.0, le=0.5)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class SpotCheck(StrictModel):
    """Shares (0..0.5) of the passed and of the blocked photos that are sampled for review.

    A sampled photo keeps its decision until a reviewer decides.
    """

    passed: HalfShare = 0.0
    blocked: HalfShare = 0.0

    def share(self, decision: str) -> float:
        """The sampled share of a decision's photos; 0 for `review`, which reviewers see anyway."""
        return {"pass": self.passed, "block": self.blocked}.get(decision, 0.0)


class ActiveLearning(StrictModel):
    """About this share (0..0.1) of the passed photos is drawn for what their labels would teach.

    A drawn photo keeps its decision until a reviewer decides.
    """

    share: Annotated[float, Field(ge=0.0, le=0.1)] = 0.0


class Reviewing(StrictModel):
    """Lease, undo, queue order, and the hidden quality checks of reviewers.

    `golden_share`: share of a reviewer's tasks that are golden tasks, with a known label.
    `second_look_days`: days after which an answer to a golden task confirms the label of one look.
    `second_review_share`: share of the decisions that a second reviewer repeats without seeing the
    first. `hide_scores_share`: share of all other tasks that hide the model's scores, so that
    hidden scores do not reveal golden tasks, second reviews and drawn photos. All samples are drawn
    by a keyed hash, so the same photo always draws the same result. `review_rate_alert`: minimum
    and maximum share of a nightly run's photos that go to review.
    """

    lease_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    undo_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    order: Literal["priority", "oldest"] = "priority"
    golden_share: HalfShare = 0.02
    second_look_days: Annotated[int, Field(ge=1, le=90)] = 7
    hide_scores_share: HalfShare = 0.1
    second_review_share: HalfShare = 0.05
    review_rate_alert: tuple[Rate, Rate] = (0.0, 0.5)

    @property
    def second_look(self) -> timedelta:
        """`second_look_days` as a span of time."""
        return timedelta(days=self.second_look_days)

    @model_validator(mode="after")
    def _check_band(self) -> "Reviewing":
        min_rate, max_rate = self.review_rate_alert
        if min_rate >= max_rate:
            raise ValueError("review_rate_alert: the first number must be below the second")
        return self


class Alerts(StrictModel):
    """When alerts are raised; the kinds in `muted` never are.

    `nightly_run_deadline` is a time of day in the settings' time zone; a nightly run must finish
    before its first occurrence after the end of the window. `review_rate_photos` is the minimum
    number of verdicts at which a run's review rate is checked against
    `reviewing.review_rate_alert`. A run that quarantined more than `max_quarantine_share` of its
    photos, and `min_quarantined_photos` or more, is not green. A shard of which more than
    `max_failure_share` fail for one reason makes the bucket suspected: nothing is quarantined for
    it. Shares are 0..1; 1 switches them off. `queue_hours` is the maximum wait of a photo,
    `promotion_months` the maximum time without a new model.
    """

    nightly_run_deadline: time = time(6)
    review_rate_photos: Annotated[int, Field(ge=1)] = 200
    max_quarantine_share: Rate = 0.1
    min_quarantined_photos: Annotated[int, Field(ge=1)] = 10
    max_failure_share: Rate = 0.5
    queue_hours: Annotated[float, Field(gt=0.0, le=8760.0)] = 24.0
    promotion_months: Annotated[int, Field(ge=1, le=120)] = 3
    muted: frozenset[AlertKind] = frozenset()

    def allows_quarantine(self, quarantined: int, listed: int) -> bool:
        """Whether so many quarantined photos, of those listed, are usual."""
        few = quarantined < self.min_quarantined_photos
        return few or quarantined <= self.max_quarantine_share * listed

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

    docs/retention.md says what is kept in spite of these limits, and why.
    """

    verdict_days: int | None = None  # superseded verdicts of models that no run has used since
    quarantine_days: int | None = None  # quarantine rows that a later run resolved
    shadow_verdict_days: int | None = None
    training_artifact_days: int | None = None  # since the file was last written
    report_photo_days: int | None = None  # thumbnails in a model's report
    archived_photo_days: int | None = None  # since the last decision on the photo

    @field_validator("*")
    @classmethod
    def _check_range(cls, days: int | None, field: ValidationInfo) -> int | None:
        min_days, reason = _MIN_DAYS[field.field_name or ""]
        if days is not None and not min_days <= days <= MAX_DAYS:
            raise ValueError(
                f"from {min_days} ({reason}) to {MAX_DAYS:,} days; leave it out to keep for ever"
            )
        return days
