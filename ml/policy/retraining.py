"""Policy section `retraining`: how models are retrained. No verdict depends on it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ml.core.yaml_file import StrictModel, drop_removed

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
OpenShare = Annotated[float, Field(gt=0.0, lt=1.0)]


class LeakBound(StrictModel):
    """The leak rate that thresholds guarantee: at most `rate`, with this `confidence`."""

    rate: OpenShare = 0.03
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95


class LabelIssuePolicy(StrictModel):
    """How this retraining run treats suspected label errors."""

    action: Literal["exclude", "down_weight", "keep"] = "down_weight"
    weight: OpenShare = 0.3  # with `down_weight`


class Gates(StrictModel):
    """What a candidate must reach to be promoted."""

    recall_floor: dict[str, Probability] = Field(default_factory=dict)  # by class
    calibration_error: Probability = 0.1  # or what chance alone explains, if that is more
    significance: OpenShare = 0.05  # level at which a drop versus the champion counts
    label_issue_share: Probability = 0.15  # in a class; above it, all labels of the run are suspect
    latency_ratio: Annotated[float, Field(ge=1.0)] = 2.0  # per photo, to the champion's


class Int8Margins(StrictModel):
    """How much worse than its version an int8 variant may be, with confidence 95 %."""

    area_margin: OpenShare = 0.005  # of the area under the ROC curve
    leak_margin: OpenShare = 0.01  # of the leak rate at an equal review share


class Distillation(StrictModel):
    """Whether, and on what, each run distills pretrained weights for the next one."""

    enabled: bool = False
    photos: int = Field(10_000, ge=1, le=50_000)  # a sample of those judged
    photo_days: int = Field(365, ge=1, le=3650)  # uploaded within so many days before the run
    epochs: int = Field(10, ge=1, le=1000)

    _drop = model_validator(mode="before")(drop_removed("preset"))


class Retraining(StrictModel):
    """Policy section `retraining`."""

    min_new_labels: int = Field(50, ge=1)
    golden_photos: int = Field(400, ge=1, le=5000)  # the golden set grows up to this number
    golden_share: OpenShare = 0.1  # of the new labels; the maximum that a run adds to it
    unlabelled_photos: int = Field(2000, ge=0, le=20_000)  # a sample to learn from; 0: none
    label_issues: LabelIssuePolicy = LabelIssuePolicy()
    leak_bound: LeakBound = LeakBound()
    gates: Gates = Gates()
    int8: Int8Margins = Int8Margins()
    distillation: Distillation = Distillation()
    approval: Literal["person", "auto"] = "person"
    approval_hours: float = Field(72.0, gt=0.0, le=8760.0)
    shadow_run: bool = False

    _drop = model_validator(mode="before")(drop_removed("validation_share", "calibration_share"))
