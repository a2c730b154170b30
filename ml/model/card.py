"""The model card: all that is needed to use a set of weights rightly, and how they came to be."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.errors import ModelError
from ml.images.preprocess import Preprocessing

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartWeights(_Strict):
    """What training started from."""

    kind: Literal["imagenet", "file", "shipped", "scratch", "champion"]
    detail: str  # the official name, a file's SHA-256, a model hash, or why there is nothing better


class Calibration(_Strict):
    """Temperature scaling (Guo et al. 2017, arXiv:1706.04599): softmax(logits / temperature)."""

    temperature: float = Field(gt=0.0, le=100.0)
    fitted_on: int = Field(ge=0)  # images of the held-out part


class LeakEvidence(_Strict):
    """Why a solved cut-off may be trusted: held-out labels, and the bound they support.

    `upper_bound` is the upper confidence bound of the leak rate at the cut-off; `photos`, `passed`
    and `leaked` are held-out labels (weighted, where the labels were sampled).
    """

    target_rate: float = Field(gt=0.0, lt=1.0)
    confidence: float = Field(gt=0.5, lt=1.0)
    photos: int = Field(ge=0)
    passed: float = Field(ge=0.0)
    leaked: float = Field(ge=0.0)
    upper_bound: float = Field(ge=0.0, le=1.0)
    review_rate: float = Field(ge=0.0, le=1.0)


class CutOffs(_Strict):
    """Cut-offs of this version; `source` says whether they were solved or taken over, and why."""

    pass_confidence: float = Field(ge=0.5, le=1.0)
    source: str
    evidence: LeakEvidence | None = None


class ModelCard(_Strict):
    """The card of one model version.

    `classes` are in the order of the logits. `data_hash` is the SHA-256 over the sorted (content
    hash, class) pairs of the training photos; `snapshot_hash` names the label snapshot they came
    from, where they did not come from a folder. `metrics` are those of the validation part.
    """

    format_version: Literal[1] = 1
    architecture: Literal["resnet18"] = "resnet18"
    weights_sha256: Sha256
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    preprocessing: Preprocessing
    calibration: Calibration
    cut_offs: CutOffs
    start_weights: StartWeights
    preset: str
    data_hash: Sha256
    training_images: int = Field(ge=0)
    validation_images: int = Field(ge=0)
    metrics: dict[str, Any]
    libraries: dict[str, str]
    seed: int
    snapshot_hash: Sha256 | None = None

    def to_json(self) -> str:
        """The one text form of the card, whose bytes are hashed.

        Fields that came later are left out where they are empty: older cards keep their hash.
        """
        content = self.model_dump(mode="json")
        if self.snapshot_hash is None:
            del content["snapshot_hash"]
        if self.cut_offs.evidence is None:
            del content["cut_offs"]["evidence"]
        return json.dumps(content, sort_keys=True, indent=1, allow_nan=False)

    @property
    def model_hash(self) -> str:
        """The version's name: SHA-256 of the card, which itself names the weights' SHA-256."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def read_card(text: str, *, source: str | Path) -> ModelCard:
    """Parse a card.

    Raises:
        ModelError: it is no valid card (a version without calibration or cut-offs, for example).
    """
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(f"{source} is not a valid model card: {error}") from error
