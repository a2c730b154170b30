"""Section `reviewing` of the policy: how photos are put before people."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=0.5)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class Reviewing(BaseModel):
    """Lease, undo, order, and the hidden checks of the reviewers themselves.

    `golden_share`: of the photos that a reviewer is given, how many are golden ones with a known
    answer. `second_review_share`: of the decisions, how many a second person makes unaware of the
    first. `withheld_share`: of all other photos, for how many the model's word is withheld as it
    must be for those two and for the random audit, so that its absence tells nothing. All are drawn
    by a keyed hash, so that asking again does not draw again.
    `review_rate_alert`: the share of a night's photos that may go to people, lowest and highest,
    before the operations page warns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lease_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    undo_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    order: Literal["priority", "oldest"] = "priority"
    golden_share: Share = 0.02
    withheld_share: Share = 0.1
    second_review_share: Share = 0.05
    review_rate_alert: tuple[Rate, Rate] = (0.0, 0.5)

    @model_validator(mode="after")
    def _band_in_order(self) -> "Reviewing":
        lowest, highest = self.review_rate_alert
        if lowest >= highest:
            raise ValueError("review_rate_alert: the first number must be below the second")
        return self
