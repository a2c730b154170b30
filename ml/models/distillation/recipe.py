"""The recipe of a distillation, from `config/distillation.yaml`."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from ml.core.settings import ROOT
from ml.core.yaml_file import StrictModel, load_model
from ml.models.training.preset import AdamW, Augmentation, OneCycle, Share, Side
from ml.vision.images.preprocess import ARTICLE, Preprocessing

RECIPE = ROOT / "config" / "distillation.yaml"

Weight = Annotated[float, Field(ge=0.0, le=100.0)]


class LossWeights(StrictModel):
    """Weights of the loss terms; see `ml.models.distillation.trainer.distillation_loss`."""

    stride_8: Weight
    stride_16: Weight
    stride_32: Weight
    pooled: Weight
    classes: Weight
    relations: Weight


class Recipe(StrictModel):
    """Everything that determines the result, except for the photos and the seed.

    `photo_side` is the short side to which photos are resized, `teacher_side` the side of the
    teacher's crop, `augmentation.sizes` the sides to which that crop is resized for the student,
    all in pixels. `mixed_share` of the batches are mixed by mixup or CutMix. `average` is the decay
    of the moving average of the weights per batch.
    """

    photo_side: Side
    teacher_side: Side
    augmentation: Augmentation
    mixed_share: Share
    batch: int = Field(ge=2, le=4096)
    epochs: int = Field(ge=1, le=10_000)
    validation_photos: int = Field(ge=1)
    optimizer: AdamW
    schedule: OneCycle
    average: Share
    weights: LossWeights

    @model_validator(mode="after")
    def _student_side_fits(self) -> "Recipe":
        if max(self.augmentation.sizes) > self.teacher_side:
            raise ValueError("`augmentation.sizes` must not exceed `teacher_side`")
        return self

    @property
    def preprocessing(self) -> Preprocessing:
        """ImageNet's normalization, which teacher and student share, at the teacher's size."""
        return ARTICLE.model_copy(update={"resize": self.photo_side, "crop": self.teacher_side})

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the recipe's values."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_recipe(path: Path = RECIPE) -> Recipe:
    """Read a recipe; a SettingsError names what is wrong."""
    return load_model(path, Recipe)
