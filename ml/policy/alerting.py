"""Section `alerts` of the policy: what an operator is told of, and from when on."""

from datetime import time
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator


class AlertKind(StrEnum):
    """What can be wrong; each has its entry in docs/runbook.md."""

    NIGHT_LATE = "night_late"
    IDENTITY_BROKEN = "identity_broken"
    RUN_FAILED = "run_failed"
    REVIEW_RATE = "review_rate"
    LEAK_BOUND = "leak_bound"
    QUEUE_AGE = "queue_age"
    PROMOTION_AGE = "promotion_age"


class Alerts(BaseModel):
    """When an alert is raised; `silent` names kinds that never are.

    `night_done_by` is a time of day in the settings' time zone; a night has until its first
    occurrence after the end of the window. `review_rate_photos` are the verdicts that a night needs
    for its review rate to say anything; the band is `reviewing.review_rate_alert`, the leak rate's
    bound `retraining.leak_bound`. `queue_hours` is the longest wait of a photo, `promotion_months`
    the longest time without a new model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    night_done_by: time = time(6)
    review_rate_photos: Annotated[int, Field(ge=1)] = 200
    queue_hours: Annotated[float, Field(gt=0.0, le=8760.0)] = 24.0
    promotion_months: Annotated[int, Field(ge=1, le=120)] = 3
    silent: frozenset[AlertKind] = frozenset()

    @field_validator("night_done_by", mode="before")
    @classmethod
    def _written_as_text(cls, given: object) -> object:
        # YAML reads 06:00 without quotes as the number 360.
        if not isinstance(given, str | time):
            raise ValueError('write the time of day in quotes, such as "06:00"')  # noqa: TRY004 - pydantic reports ValueError
        return given

    @field_validator("night_done_by")
    @classmethod
    def _without_zone(cls, given: time) -> time:
        if given.tzinfo is not None:
            raise ValueError("no time zone here: it is MODERATION_TIMEZONE")
        return given
