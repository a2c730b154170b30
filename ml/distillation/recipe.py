"""The recipe of a distillation, from `config/distillation.yaml`."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.settings import ROOT
from ml.training.preset import AdamW, Augmentation, OneCycle, Share, Side
from ml.yaml_file import read_yaml

RECIPE = ROOT / "config" / "distillation.yaml"

Weight = Annotated[float, Field(ge=0.0, le=100.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LossWeights(_Strict):
    """What each term counts; see `ml.distillation.loss`."""

    stride_8: Weight
    stride_16: Weight
    stride_32: Weight
    pooled: Weight
    classes: Weight


class Recipe(_Strict):
    """All that decides what comes out, beside the photos and the seed.

    `photo_side` is the short side at which photos are kept, `teacher_side` the side of the square
    that the teacher sees, `augmentation.sizes` what the student sees of the same square, all in
    pixels. `mixed_share` of the batches are mixed. `average` is the share of the moving average of
    the weights that stays at each batch.
    """

    photo_side: Side
    teacher_side: Side
    augmentation: Augmentation
    mixed_share: Share
    batch: int = Field(ge=2, le=4096)
    epochs: int = Field(ge=1, le=10_000)
    validation_photos: int = Field(ge=1)
    optimiser: AdamW
    schedule: OneCycle
    average: Share
    weights: LossWeights

    @model_validator(mode="after")
    def _student_sees_no_more(self) -> "Recipe":
        if max(self.augmentation.sizes) > self.teacher_side:
            raise ValueError("`augmentation.sizes` must not exceed `teacher_side`")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the recipe's values."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_recipe(path: Path = RECIPE) -> Recipe:
    """Read a recipe.

    Raises:
        SettingsError: not readable, an unknown key or an impossible value; says which.
    """
    return read_yaml(path, Recipe)
