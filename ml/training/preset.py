"""A training preset: the whole recipe of a run, from `config/training/<name>.yaml`."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ml.errors import SettingsError
from ml.images.preprocess import Preprocessing
from ml.settings import ROOT
from ml.yaml_file import problems

PRESETS = ROOT / "config" / "training"

Side = Annotated[int, Field(ge=32, le=1024)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0, le=10.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Augmentation(_Strict):
    """How a training photo differs each time it is seen.

    `crop: random` cuts a square from the photo as it is; `random_resized` cuts a part of
    `least_area`..1 of its area, at an aspect of 3:4 to 4:3, and scales it to the square. `sizes`
    are the sides of the square, each for an equal part of the epochs: small ones first take a
    fraction of the time, and what they teach carries over (progressive resizing, Tan and Le 2021,
    arXiv:2104.00298). `colour` 0.4 varies brightness, contrast and saturation by up to 40 %.
    """

    crop: Literal["random", "random_resized"]
    sizes: Annotated[tuple[Side, ...], Field(min_length=1)]
    least_area: float | None = Field(None, gt=0.0, le=1.0)
    flip: bool
    colour: Share = 0.0

    @model_validator(mode="after")
    def _area_fits(self) -> "Augmentation":
        if (self.crop == "random_resized") != (self.least_area is not None):
            raise ValueError("`least_area` goes with `crop: random_resized`, and with that only")
        return self

    def size(self, epoch: int, epochs: int) -> int:
        """Side of the square in an epoch, the first of which is 1."""
        return self.sizes[(epoch - 1) * len(self.sizes) // epochs]


class Loss(_Strict):
    """Cross-entropy; `balanced` weighs a class by photos / (classes * photos of the class)."""

    class_weights: Literal["none", "balanced"]
    label_smoothing: Share = 0.0


class Sgd(_Strict):
    """`torch.optim.SGD`; `weight_decay` spares biases and batch norm."""

    kind: Literal["sgd"]
    lr: Rate
    momentum: Share
    weight_decay: Share = 0.0


class AdamW(_Strict):
    """`torch.optim.AdamW`; `weight_decay` spares biases and batch norm."""

    kind: Literal["adamw"]
    lr: Rate
    weight_decay: Share


class StepSchedule(_Strict):
    """`torch.optim.lr_scheduler.StepLR`, a step each epoch."""

    kind: Literal["step"]
    step_size: int = Field(ge=1)
    gamma: float = Field(gt=0.0, le=1.0)


class OneCycle(_Strict):
    """`torch.optim.lr_scheduler.OneCycleLR` up to the optimiser's `lr`, a step each batch."""

    kind: Literal["one_cycle"]
    warm_up: float = Field(gt=0.0, lt=1.0)


class EarlyStopping(_Strict):
    """Stop after `patience` epochs without a lower validation loss; the best epoch's weights stay.

    The schedule of the learning rate is that of all `epochs`, however few are run.
    """

    patience: int = Field(ge=1)


class Preset(_Strict):
    """The recipe; `precision: bf16` is fp32 where the hardware has no bf16 units.

    `head: fitted` gives a fresh head the logistic regression on what the start weights see, before
    anything is trained (`ml.training.head`); from scratch, and from a champion, it changes nothing.
    `start: champion` goes on from the champion's weights; without a champion, and with
    `start_weights`, training starts from what MODERATION_START_WEIGHTS names. Without
    `early_stopping` every epoch is run and the last one's weights are kept.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    preprocessing: Preprocessing
    augmentation: Augmentation
    loss: Loss
    optimiser: Annotated[Sgd | AdamW, Field(discriminator="kind")]
    schedule: Annotated[StepSchedule | OneCycle, Field(discriminator="kind")]
    batch: int = Field(ge=2, le=4096)
    epochs: int = Field(ge=1, le=1000)
    validation_share: float = Field(ge=0.05, le=0.5)
    precision: Literal["fp32", "bf16"]
    head: Literal["random", "fitted"] = "random"
    start: Literal["start_weights", "champion"] = "start_weights"
    early_stopping: EarlyStopping | None = None

    @model_validator(mode="after")
    def _crop_fits(self) -> "Preset":
        cut, stored = self.augmentation, self.preprocessing.resize
        if cut.crop == "random" and max(cut.sizes) > stored:
            raise ValueError(f"a crop of {max(cut.sizes)} does not fit photos resized to {stored}")
        return self


def load_preset(name_or_path: str) -> Preset:
    """Read a preset by its name, or from a path that ends in .yaml or .yml.

    Raises:
        SettingsError: no such preset, not YAML, an unknown key or an impossible value; says which
            and how to put it right.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = PRESETS / f"{name_or_path}.yaml"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.yaml")))
        raise SettingsError(
            f"no training preset at {path}; name one of {known}, or a .yaml file"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read as YAML: {error}") from error
    return _checked(raw, path)


def _checked(raw: object, path: Path) -> Preset:
    if not isinstance(raw, dict) or "name" in raw:
        raise SettingsError(
            f"{path} must be a YAML mapping without `name`: the file's name is the preset's"
        )
    try:
        return Preset.model_validate({**raw, "name": path.stem})
    except ValidationError as error:
        raise SettingsError(
            f"{path} is not a valid training preset; put right:\n{problems(error)}"
        ) from error
