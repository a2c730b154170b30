"""Policy sections `reviewing` and `spot_check`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ml.core.yaml_file import StrictModel

Share = Annotated[float, Field(ge=0.0, le=0.5)]


class SpotCheck(StrictModel):
    """Shares (0..0.5) of the passed and of the blocked photos that are sampled for review.

    Not part of a verdict: a sampled photo keeps its decision until a reviewer decides.
    """

    passed: Share = 0.0
    blocked: Share = 0.0

    def share(self, decision: str) -> float:
        """The sampled share of a decision's photos; 0 for `review`, which reviewers see anyway."""
        return {"pass": self.passed, "block": self.blocked}.get(decision, 0.0)


Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class Reviewing(StrictModel):
    """Lease, undo, queue order, and the hidden quality checks of reviewers.

    `golden_share`: share of a reviewer's tasks that are golden tasks, with a known label.
    `second_review_share`: share of the decisions that a second reviewer repeats without seeing the
    first. `hide_scores_share`: share of all other tasks that hide the model's scores. Golden tasks,
    second reviews and spot checks must hide them, and hidden scores must not give those away. All
    samples are drawn by a keyed hash, so the same photo always draws the same result.
    `review_rate_alert`: minimum and maximum share of a nightly run's photos that go to review;
    outside of them the operations page warns.
    """

    lease_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    undo_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    order: Literal["priority", "oldest"] = "priority"
    golden_share: Share = 0.02
    hide_scores_share: Share = 0.1
    second_review_share: Share = 0.05
    review_rate_alert: tuple[Rate, Rate] = (0.0, 0.5)

    @model_validator(mode="after")
    def _check_band(self) -> "Reviewing":
        min_rate, max_rate = self.review_rate_alert
        if min_rate >= max_rate:
            raise ValueError("review_rate_alert: the first number must be below the second")
        return self
