"""Run photos of a folder through the nightly pipeline (decode, screens, model) without servers."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from benchmarks.processor_time import processor_seconds
from benchmarks.screens_photos import LabelledPhoto
from ml.core.budget import Budget
from ml.core.concurrency import StageTimer
from ml.core.settings import load_settings
from ml.core.types import PendingImage, Scored, ScreenResult, ScreenStatus
from ml.models.architectures.classifier import Classifier
from ml.models.card import Calibration, ModelCard, PretrainedWeights, Thresholds
from ml.models.checkpoint import Checkpoint, build_network
from ml.models.predictor import Predictor, resolve_device
from ml.moderation.pipeline.pipeline import Pipeline
from ml.moderation.pipeline.screening import NeedsText, load_screening
from ml.policy.screens import Screens
from ml.vision.images.preprocess import Preprocessing
from ml.vision.screens.duplicate_index import DuplicateIndex


@dataclass(frozen=True)
class ScreenedPhoto:
    """One photo with its scores and screen results."""

    photo: LabelledPhoto
    scores: Mapping[str, float]
    screens: dict[str, ScreenResult]

    def fired(self, screen: str, reason: str = "") -> bool:
        """Return whether a screen fired with a reason that starts with `reason`."""
        outcome = self.screens.get(screen)
        if outcome is None or outcome.state is not ScreenStatus.FIRED:
            return False
        return (outcome.reason or "").startswith(reason)

    @property
    def was_read(self) -> bool:
        """Whether OCR ran on the photo."""
        return "text" in self.screens and self.screens["text"].evidence.get("read") is True


@dataclass(frozen=True)
class PipelineRun:
    """Scored photos in order, the number of rejected ones, and times.

    `stages` are busy seconds, summed over threads.
    """

    scored: list[ScreenedPhoto]
    rejected: int
    wall_seconds: float
    cpu_seconds: float
    stages: dict[str, float] = field(default_factory=dict)


class _PhotoSource:
    def __init__(self, photos: Sequence[LabelledPhoto]) -> None:
        self._photos = {photo.key: photo for photo in photos}

    def get(self, key: str, **_: object) -> bytes:
        return self._photos[key].read()


def run_pipeline(
    photos: Sequence[LabelledPhoto],
    rules: Screens | None,
    predictor: Predictor,
    *,
    read_all: bool = False,
    needs_text: NeedsText = lambda photos: [True] * len(photos),
) -> PipelineRun:
    """Score photos as `ml.moderation.nightly.score_shard` does, with the environment's settings.

    Args:
        photos: with unique keys.
        rules: the policy's section `screens`; None: without screens.
        predictor: the model.
        read_all: OCR without a time budget.
        needs_text: which photos' texts count; by default all, as if the model passed each.
    """
    settings, clock = load_settings(), StageTimer()
    budget = Budget(math.inf) if read_all else None
    start, cpu = time.monotonic(), processor_seconds()
    pipeline = Pipeline(
        store=_PhotoSource(photos),
        predictor=predictor,
        violations=(),
        settings=settings,
        picture_side=rules.picture_side if rules else None,
        screening=load_screening(rules, DuplicateIndex([]), needs_text, budget=budget)
        if rules
        else None,
        clock=clock,
    )
    images = (PendingImage(photo.key, "", photo.size) for photo in photos)
    outcomes = [outcome for batch in pipeline.run(images) for outcome in batch]
    took = time.monotonic() - start, processor_seconds() - cpu
    by_key = {photo.key: photo for photo in photos}
    scored = [
        ScreenedPhoto(by_key[o.image.object_key], o.scores, o.screens)
        for o in outcomes
        if isinstance(o, Scored)
    ]
    return PipelineRun(scored, len(outcomes) - len(scored), *took, clock.drain())


def untrained_predictor(
    spec: Preprocessing,
    device: torch.device | None = None,
    *,
    network: Classifier | None = None,
    with_features: bool = False,
) -> Predictor:
    """Return a predictor with a network, by default with random weights.

    `device` None: the device of the settings.
    """
    settings = load_settings()
    torch.manual_seed(0)
    card = ModelCard(
        weights_sha256="0" * 64,
        classes=("normal", "violate"),
        preprocessing=spec,
        calibration=Calibration(temperature=1.0, fitted_on=0),
        thresholds=Thresholds(pass_confidence=0.7, source="benchmark"),
        pretrained_weights=PretrainedWeights(kind="scratch", detail="random weights"),
        preset="benchmark",
        data_hash="0" * 64,
        training_images=0,
        metrics={},
        libraries={},
        seed=0,
    )
    checkpoint = Checkpoint((network or build_network(2)).state_dict(), card)
    there = device or resolve_device(settings.device)
    return Predictor(
        checkpoint, device=there, batch_size=settings.batch_size, with_features=with_features
    )
