"""Photos of a folder through the night's own pipeline: decode, screens, model, without a shop."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from benchmarks.screens_photos import Labelled
from ml.images.decode import decode_limits
from ml.images.preprocess import Preprocessing
from ml.inference.clock import StageClock
from ml.inference.device import resolve
from ml.inference.outcome import Scored
from ml.inference.pipeline import Pipeline
from ml.inference.predictor import Predictor
from ml.model.card import Calibration, CutOffs, ModelCard, StartWeights
from ml.model.checkpoint import Checkpoint
from ml.model.resnet18 import build
from ml.policy.screening import Screens
from ml.screens.duplicates import DecidedPhotos
from ml.screens.outcome import ScreenOutcome, State
from ml.screens.screening import Screening
from ml.settings import load_settings
from ml.storage.images import PendingImage

READ_ALL = 10_000  # workers of a budget that never ends


@dataclass(frozen=True)
class Judged:
    """One photo and what was found."""

    photo: Labelled
    scores: Mapping[str, float]
    screens: dict[str, ScreenOutcome]

    def fired(self, screen: str, reason: str = "") -> bool:
        """Whether a screen fired, for a reason that begins so."""
        outcome = self.screens.get(screen)
        if outcome is None or outcome.state is not State.FIRED:
            return False
        return (outcome.reason or "").startswith(reason)

    @property
    def was_read(self) -> bool:
        """Whether the text in it was looked for."""
        return "text" in self.screens and self.screens["text"].evidence.get("read") is True


@dataclass(frozen=True)
class Night:
    """Photos in order, how many others were rejected (quarantine), and what all took.

    `stages` are busy seconds summed over threads.
    """

    judged: list[Judged]
    rejected: int
    wall_seconds: float
    cpu_seconds: float
    stages: dict[str, float] = field(default_factory=dict)


class _Source:
    def __init__(self, photos: Sequence[Labelled]) -> None:
        self._photos = {photo.key: photo for photo in photos}

    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:  # noqa: ARG002 - the protocol's
        return self._photos[key].read()


def run_night(
    photos: Sequence[Labelled],
    rules: Screens | None,
    predictor: Predictor,
    *,
    read_all: bool = False,
) -> Night:
    """Judge photos as `ml.audit.judge` does; the machine's settings are those of the environment.

    Args:
        photos: with keys that differ.
        rules: the policy's section; None judges without screens.
        predictor: the model.
        read_all: text has no budget.
    """
    settings, clock = load_settings(), StageClock()
    start, cpu = time.monotonic(), time.process_time()
    pipeline = Pipeline(
        store=_Source(photos),
        predictor=predictor,
        limits=decode_limits(settings),
        fetch_threads=settings.fetch_threads,
        decode_threads=settings.decode_threads,
        picture_side=rules.picture_side if rules else None,
        screening=_screening(rules, READ_ALL if read_all else settings.decode_threads, clock),
        clock=clock,
    )
    images = (PendingImage(photo.key, "", photo.size) for photo in photos)
    outcomes = [outcome for batch in pipeline.run(images) for outcome in batch]
    took = time.monotonic() - start, time.process_time() - cpu
    by_key = {photo.key: photo for photo in photos}
    judged = [
        Judged(by_key[o.image.object_key], o.scores, o.screens)
        for o in outcomes
        if isinstance(o, Scored)
    ]
    return Night(judged, len(outcomes) - len(judged), *took, clock.take())


def _screening(rules: Screens | None, workers: int, clock: StageClock) -> Screening | None:
    if rules is None:
        return None
    decided = DecidedPhotos([])
    return Screening(
        rules, decided, workers=workers, timed=lambda name: clock.time(f"screen_{name}")
    )


def untrained(spec: Preprocessing, device: torch.device | None = None) -> Predictor:
    """A model of random weights, for what does not depend on its scores; None: as settings say."""
    settings = load_settings()
    torch.manual_seed(0)
    card = ModelCard(
        weights_sha256="0" * 64,
        classes=("normal", "violate"),
        preprocessing=spec,
        calibration=Calibration(temperature=1.0, fitted_on=0),
        cut_offs=CutOffs(pass_confidence=0.7, source="benchmark"),
        start_weights=StartWeights(kind="scratch", detail="random weights"),
        preset="benchmark",
        data_hash="0" * 64,
        training_images=0,
        validation_images=0,
        metrics={},
        libraries={},
        seed=0,
    )
    checkpoint = Checkpoint(build(2).state_dict(), card)
    there = device or resolve(settings.device)
    return Predictor(checkpoint, device=there, batch_images=settings.batch_images)
