"""Train a run's candidate on its decoded photos: measure the starts, train from the best one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import structlog
import torch

from ml.core.settings import Settings
from ml.learning.retrain.starts import Measured, choose_start, describe
from ml.learning.retrain.training_artifact import TrainingArtifact
from ml.learning.snapshot.splits import WeightedSample
from ml.models.architectures.classifier import Classifier
from ml.models.card import PretrainedWeights
from ml.models.features import trunk_hash
from ml.models.predictor import resolve_device
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.cross_fit import CrossFitted
from ml.models.training.cross_fit_job import CrossFitJob, fit_start
from ml.models.training.dataset import Dataset
from ml.models.training.other_computations import (
    PredictedPhotos,
    compute_others,
    find_other_computations,
    load_probe,
)
from ml.models.training.pipeline import TrainedNetwork, train_network
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()

Initial = tuple[Classifier, PretrainedWeights]


@dataclass(frozen=True)
class CandidateTraining:
    """The photos of a run, each with its sample; `checkpoints` gives those of a named training."""

    dataset: Dataset
    samples: Sequence[WeightedSample]
    preset: Preset
    run: RetrainRun
    settings: Settings
    listener: Listener
    checkpoints: Callable[[str], Checkpoints]

    @cached_property
    def device(self) -> torch.device:
        """Where networks compute."""
        return resolve_device(self.settings.device)

    def train(self, networks: Iterable[Initial]) -> TrainingArtifact:
        """Train from the best of these networks, which are changed in place."""
        measured: dict[str, Measured] = {}
        for network, origin in networks:
            # A champion whose trunk is that of the pretrained weights is no other start.
            trunk = trunk_hash(network, self.dataset.spec)
            if trunk not in measured:
                measured[trunk] = self._measure(network, origin)
        starts = list(measured.values())
        chosen = choose_start(starts)
        log.info("start chosen", kind=chosen.origin.kind, detail=chosen.origin.detail)
        trained, fitted = train_network(chosen.job, chosen.initial, chosen.origin)
        return self._create_artifact(chosen, trained, fitted, self._compare(starts, chosen, fitted))

    def _measure(self, network: Classifier, origin: PretrainedWeights) -> Measured:
        seen = np.array([sample.photo.seen for sample in self.samples])
        name = origin.detail[:16] if origin.kind in {"champion", "file"} else origin.kind
        job = CrossFitJob(
            dataset=self.dataset,
            folds=np.array([sample.fold for sample in self.samples]),
            weights=np.array([sample.weight for sample in self.samples]),
            comparable=~seen if origin.kind == "champion" else np.ones_like(seen),
            preset=self.preset,
            device=self.device,
            seed=self.run.seed,
            listener=self.listener,
            checkpoints=lambda part: self.checkpoints(f"{name}-{part}"),
        )
        return Measured(origin, fit_start(job, network, pretrained=origin.kind != "scratch"), job)

    def _compare(
        self, starts: Sequence[Measured], chosen: Measured, fitted: CrossFitted
    ) -> list[dict[str, Any]]:
        """Measures of each start's head and of the result, for the report."""
        policy = self.run.policy
        rows = [
            describe(each, each.initial.head.logits, 0, policy) | {"chosen": False}
            for each in starts
            if each.initial.head is not None
        ]
        result = describe(chosen, fitted.logits, len(fitted.history), policy) | {"chosen": True}
        return [*(row for row in rows if row | {"chosen": True} != result), result]

    def _create_artifact(
        self,
        chosen: Measured,
        trained: TrainedNetwork,
        fitted: CrossFitted,
        compared: list[dict[str, Any]],
    ) -> TrainingArtifact:
        held_out = np.flatnonzero(chosen.job.comparable)
        logits = fitted.logits[held_out].astype(np.float32)
        photos = [self.samples[i].photo for i in held_out.tolist()]
        predicted = PredictedPhotos(
            fitted.network, trained.state, self.dataset, held_out, logits, self.device
        )
        computations = find_other_computations(self.settings, self.device)
        return TrainingArtifact(
            **vars(trained),
            held_out_logits=logits,
            held_out_labels=chosen.job.targets[held_out],
            held_out_weights=np.array([photo.weight for photo in photos], np.float64),
            held_out_hashes=[photo.content_sha256 for photo in photos],
            probe_pixels=load_probe(predicted),
            losses=fitted.losses,
            compared=compared,
            others=compute_others(predicted, computations),
        )
