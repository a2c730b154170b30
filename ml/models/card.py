"""The model card: everything needed to use a set of weights, and how they were trained."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import structlog
from pydantic import Field

from ml.core.errors import ModelError, PolicyError
from ml.core.types import ArchitectureName, Sha256
from ml.core.yaml_file import StrictModel, load_json
from ml.policy.schema import Policy
from ml.vision.images.preprocess import Preprocessing

log = structlog.get_logger()


class PretrainedWeights(StrictModel):
    """What training started from."""

    kind: Literal["imagenet", "file", "bundled", "scratch", "champion"]
    detail: str  # the official name, a file's SHA-256, a model hash, or why there are no weights


class Calibration(StrictModel):
    """Temperature scaling (Guo et al. 2017, arXiv:1706.04599): softmax(logits / temperature)."""

    temperature: float = Field(gt=0.0, le=100.0)
    fitted_on: int = Field(ge=0)  # held-out images


class LeakEvidence(StrictModel):
    """Evidence for a solved threshold: held-out labels, and the bound that they support.

    `upper_bound` is the upper confidence bound of the leak rate at the threshold; `photos`,
    `passed` and `leaked` count held-out labels (weighted, where the labels were sampled).
    """

    target_rate: float = Field(gt=0.0, lt=1.0)
    confidence: float = Field(gt=0.5, lt=1.0)
    photos: int = Field(ge=0)
    passed: float = Field(ge=0.0)
    leaked: float = Field(ge=0.0)
    upper_bound: float = Field(ge=0.0, le=1.0)
    review_rate: float = Field(ge=0.0, le=1.0)


class Thresholds(StrictModel):
    """Thresholds of this version; `source` says whether they were solved or defaulted, and why."""

    pass_confidence: float = Field(ge=0.5, le=1.0)
    source: str
    evidence: LeakEvidence | None = None


class Training(StrictModel):
    """How the network was trained: a linear probe, epochs that train every layer, or both.

    `head_inverse_penalty` is scikit-learn's C of the linear probe; None: there was none.
    `minutes` is the time budget that set the number of epochs; None: the preset set it.
    """

    epochs: int = Field(ge=0)
    head_inverse_penalty: float | None = Field(None, gt=0.0)
    minutes: float | None = Field(None, gt=0.0)


class Int8Variant(StrictModel):
    """The version quantized to int8: its files, and what was solved on its own scores.

    `comparison` are the figures by which it was allowed, see `VariantComparison`, and the margins.
    """

    graph_sha256: Sha256
    weights_sha256: Sha256
    calibration: Calibration
    thresholds: Thresholds
    calibration_photos: int = Field(ge=1)  # training photos from which NNCF took the ranges
    comparison: dict[str, float]
    libraries: dict[str, str]

    @property
    def variant_hash(self) -> str:
        """The variant's name: SHA-256 of its part of the card, which contains its files' hashes."""
        return hash_content(self.model_dump(mode="json"))


class MemoryRule(StrictModel):
    """A photo that would pass is reviewed if so many of the nearest decided photos are violations.

    Measured on held-out photos: `leaks_before` without the rule; and those that it saved, and new
    ones, at a threshold by which as many photos pass. At the version's own threshold it sends
    `added_review_share` of the photos to review.
    """

    min_violating_share: float = Field(gt=0.0, le=1.0)
    photos: int = Field(ge=0)
    leaks_before: int = Field(ge=0)
    leaks_saved: int = Field(ge=0)
    new_leaks: int = Field(ge=0)
    added_review_share: float = Field(ge=0.0, le=1.0)


class RefusedInt8(StrictModel):
    """Why the version has no int8 variant although one was made, and its figures as above.

    It is not shown that the area under the ROC curve, or the leak rate, is hardly worse; or its
    scores support no threshold.
    """

    reason: Literal["area", "leak", "threshold"]
    comparison: dict[str, float]


class Agreement(StrictModel):
    """How many verdicts on held-out photos another computation changed, by training's measure.

    `computation` is its name, such as `openvino float32`.
    """

    computation: str
    photos: int = Field(ge=1)
    changed: int = Field(ge=0)


_ADDED_LATER = (
    "snapshot_hash", "training", "agreements", "int8", "refused_int8", "memory", "min_similarity",
)  # fmt: skip


class ModelCard(StrictModel):
    """The card of one model version.

    `classes` are in the order of the logits. `data_hash` is the SHA-256 over the sorted (content
    hash, class) pairs of the training photos; `snapshot_hash` names their label snapshot, None
    where they came from a folder. `metrics` are those of the held-out photos. `memory` says when
    the nearest decided photos send a photo to review, None: never; a photo whose mean similarity to
    them is below `min_similarity`, -1..1, is unfamiliar.
    """

    format_version: Literal[1] = 1
    architecture: ArchitectureName = "resnet18"
    weights_sha256: Sha256
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    preprocessing: Preprocessing
    calibration: Calibration
    thresholds: Thresholds
    pretrained_weights: PretrainedWeights
    preset: str
    data_hash: Sha256
    training_images: int = Field(ge=0)
    validation_images: int = Field(default=0, ge=0)  # held out for good by earlier releases
    metrics: dict[str, Any]
    libraries: dict[str, str]
    seed: int
    snapshot_hash: Sha256 | None = None
    training: Training | None = None
    agreements: tuple[Agreement, ...] = ()
    int8: Int8Variant | None = None
    refused_int8: RefusedInt8 | None = None
    memory: MemoryRule | None = None
    min_similarity: float | None = None

    def to_json(self) -> str:
        """The canonical text of the card, whose bytes are hashed.

        Fields that were added later are omitted where they are empty: older cards keep their hash.
        """
        content = self.model_dump(mode="json")
        for added_later in _ADDED_LATER:
            if content[added_later] is None or content[added_later] == []:
                del content[added_later]
        if self.thresholds.evidence is None:
            del content["thresholds"]["evidence"]
        return _canonical(content)

    @property
    def model_hash(self) -> str:
        """The version's name: SHA-256 of the card, which contains the weights' SHA-256."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def hash_content(content: Mapping[str, Any]) -> str:
    """SHA-256 of a card's or variant's JSON, the same after it was stored and read."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, indent=1, allow_nan=False)


def read_card(text: str | bytes, *, source: str | Path) -> ModelCard:
    """Parse the text of a card.

    Raises:
        ModelError: the card is not JSON or invalid, for example without calibration or thresholds.
    """
    return parse_card(load_json(text, source=source, error=ModelError), source=source)


def parse_card(content: object, *, source: str | Path) -> ModelCard:
    """Validate the content of a card; raises ModelError."""
    try:
        card = ModelCard.model_validate(content)
        card.to_json()  # JSON has no NaN, Python's parser reads it
    except ValueError as error:  # ValidationError is one
        raise ModelError(
            f"{source} has no card that this version of the program can use: {error}; "
            "use the version that wrote it, or promote another model"
        ) from error
    return card


def check_classes(card: ModelCard, policy: Policy) -> None:
    """Raise PolicyError unless model and policy name the same classes."""
    if set(card.classes) != set(policy.classes):
        raise PolicyError(
            f"version {card.model_hash[:12]} has classes {sorted(card.classes)}, "
            f"the policy has {sorted(policy.classes)}; "
            "promote a model trained for this policy, or restore the policy it was trained for"
        )
