"""How the model may learn: the policy file's section `retraining`; no verdict depends on it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
OpenShare = Annotated[float, Field(gt=0.0, lt=1.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LeakBound(_Strict):
    """The leak rate that cut-offs are solved for: `rate` at most, with this `confidence`."""

    rate: OpenShare = 0.03
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95


class Doubts(_Strict):
    """What becomes of labels that `check_labels` doubts, this month."""

    action: Literal["leave_out", "down_weight", "keep"] = "leave_out"
    weight: OpenShare = 0.3  # with `down_weight`


class Gates(_Strict):
    """What a candidate must reach to be promoted.

    `recall_floor` is the least recall of each class named; `significance` the level at which a
    drop against the champion counts; `latency_ratio` the most time a photo against the champion's;
    `doubted_share` the largest share of a class's labels that the photos may speak against: more,
    and something is wrong with this month's labels as a whole.
    """

    recall_floor: dict[str, Probability] = {}
    calibration_error: Probability = 0.1  # or what chance alone explains, where that is more
    significance: OpenShare = 0.05
    doubted_share: Probability = 0.15
    latency_ratio: Annotated[float, Field(ge=1.0)] = 2.0


class Retraining(_Strict):
    """The section itself.

    Shares are of photos: `golden_share` of the new labels, `validation_share` (early stopping and
    temperature) and `calibration_share` (cut-offs) of the rest.
    """

    min_new_labels: int = Field(200, ge=1)
    golden_share: OpenShare = 0.2
    validation_share: OpenShare = 0.15
    calibration_share: OpenShare = 0.2
    doubts: Doubts = Doubts()
    leak_bound: LeakBound = LeakBound()
    gates: Gates = Gates()
    approval: Literal["person", "auto"] = "person"
    approval_hours: float = Field(72.0, gt=0.0)
    shadow_night: bool = False

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> "Retraining":
        if self.validation_share + self.calibration_share >= 1.0:
            raise ValueError(
                "validation_share + calibration_share must stay under 1: lower one, or nothing is "
                "left to train on"
            )
        return self
