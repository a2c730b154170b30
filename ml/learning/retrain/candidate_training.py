"""Train a run's candidate on its decoded photos: measure the starts, train from the best one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
import torch

from ml.core.settings import Settings
from ml.learning.retrain.starts import Measured, choose_start, describe
from ml.learning.retrain.training_artifact import TrainingArtifact
from ml.learning.retrain.unlabelled import add_soft_labels, read_teacher
from ml.learning.snapshot.splits import WeightedSample
from ml.models.architectures.classifier import Classifier
from ml.models.card import PretrainedWeights
from ml.models.features import trunk_hash
from ml.models.nearest_photos import Surroundings, measure_out_of_fold
from ml.models.predictor import resolve_device
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.cross_fit import CrossFitted
from ml.models.training.cross_fit_job import CrossFitJob, fit_start, read_start_features
from ml.models.training.dataset import Dataset
from ml.models.training.head import LabelledFeatures
from ml.models.training.label_weights import LabelOrigins, LabelWeighting, choose_weighting
from ml.models.training.other_computations import (
    PredictedPhotos,
    compute_others,
    find_other_computations,
    load_probe,
)
from ml.models.training.pipeline import TrainedNetwork, train_network
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener
from ml.storage.photo_features import MAX_PHOTOS
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()

Initial = tuple[Classifier, PretrainedWeights]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

IMPORTED = "import"  # the route of labels that no reviewer of the shop gave


@dataclass(frozen=True)
class _Start:
    """A network with its origin, and its features (N, F) of the photos if a head is fitted."""

    network: Classifier
    origin: PretrainedWeights
    features: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class CandidateTraining:
    """The photos of a run, each with its sample, and unlabelled ones.

    `checkpoints` gives those of a named training.
    """

    dataset: Dataset
    samples: Sequence[WeightedSample]
    preset: Preset
    run: RetrainRun
    settings: Settings
    listener: Listener
    checkpoints: Callable[[str], Checkpoints]
    unlabelled: Dataset | None = None

    @cached_property
    def device(self) -> torch.device:
        """Where networks compute."""
        return resolve_device(self.settings.device)

    def train(self, networks: Iterable[Initial]) -> TrainingArtifact:
        """Train from the best of these networks, which are changed in place."""
        starts = self._read_starts(networks)
        weighting = self._choose_weighting(starts)
        weights = weighting.apply(self._weights, self._origins.is_own, self._origins.age_days)
        measured = [self._measure(start, weights) for start in starts]
        chosen = choose_start(measured, self.run.policy)
        log.info("start chosen", kind=chosen.origin.kind, detail=chosen.origin.detail)
        initial, share = chosen.initial, None
        if self.unlabelled is not None:
            source = read_teacher(chosen.job, self.unlabelled)
            initial, share = add_soft_labels(chosen.job, initial, source)
        trained, fitted = train_network(chosen.job, initial, chosen.origin)
        reasons = {"label_weighting": vars(weighting), "soft_share": share}
        compared = self._compare(measured, chosen, fitted, reasons)
        return self._create_artifact(chosen, trained, fitted, compared)

    @cached_property
    def _weights(self) -> Floats:
        return np.array([sample.weight for sample in self.samples])

    @cached_property
    def _origins(self) -> LabelOrigins:
        photos = [sample.photo for sample in self.samples]
        return LabelOrigins(
            is_own=np.array([photo.route != IMPORTED for photo in photos]),
            age_days=np.array([photo.age_days for photo in photos], np.float64),
        )

    def _read_starts(self, networks: Iterable[Initial]) -> list[_Start]:
        """The networks that differ, each with its features of the photos."""
        found: dict[str, _Start] = {}
        for network, origin in networks:
            # A champion whose trunk is that of the pretrained weights is no other start.
            trunk = trunk_hash(network, self.dataset.spec)
            if trunk not in found:
                job = self._job(origin, self._weights)
                features = read_start_features(job, network, pretrained=origin.kind != "scratch")
                found[trunk] = _Start(network, origin, features)
        return list(found.values())

    def _choose_weighting(self, starts: Sequence[_Start]) -> LabelWeighting:
        start, job = starts[0], self._job(starts[0].origin, self._weights)
        if start.features is None:
            return LabelWeighting()
        photos = LabelledFeatures(start.features, job.targets, job.weights)
        return choose_weighting(
            photos, job.folds, self._origins, job.classes, balanced=job.balanced
        )

    def _measure(self, start: _Start, weights: Floats) -> Measured:
        job = self._job(start.origin, weights)
        return Measured(start.origin, fit_start(job, start.network, start.features), job)

    def _job(self, origin: PretrainedWeights, weights: Floats) -> CrossFitJob:
        seen = np.array([sample.photo.seen for sample in self.samples])
        name = origin.detail[:16] if origin.kind in {"champion", "file"} else origin.kind
        return CrossFitJob(
            dataset=self.dataset,
            folds=np.array([sample.fold for sample in self.samples]),
            weights=weights,
            comparable=~seen if origin.kind == "champion" else np.ones_like(seen),
            preset=self.preset,
            device=self.device,
            seed=self.run.seed,
            listener=self.listener,
            checkpoints=lambda part: self.checkpoints(f"{name}-{part}"),
        )

    def _compare(
        self,
        starts: Sequence[Measured],
        chosen: Measured,
        fitted: CrossFitted,
        reasons: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Measures of each start's head and of the result, with its `reasons`, for the report.

        A champion that was trained on all photos, or all of one side, cannot be measured.
        """
        policy = self.run.policy
        rows = [
            describe(each, each.initial.head.logits, 0, policy) | {"chosen": False}
            for each in starts
            if each.initial.head is not None and each.count_rarer_side(policy)
        ]
        result = describe(chosen, fitted.logits, len(fitted.history), policy) | {"chosen": True}
        others = (row for row in rows if row | {"chosen": True} != result)
        return [*others, result | {"losses": fitted.losses} | reasons]

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
            held_out_groups=np.array([photo.group for photo in photos], np.int64),
            held_out_hashes=[photo.content_sha256 for photo in photos],
            probe_pixels=load_probe(predicted),
            compared=compared,
            around=self._measure_surroundings(chosen, held_out),
            others=compute_others(predicted, computations),
        )

    def _measure_surroundings(self, chosen: Measured, held_out: Ints) -> Surroundings | None:
        """Of the held-out photos, among the labelled ones of other folds.

        By the features that training starts from, which know no label: those of a trained network
        would make memory look better than it is.
        """
        job, features = chosen.job, chosen.initial.features
        if features is None:
            return None
        names, violations = np.array(self.dataset.classes), list(self.run.policy.violations)
        # As many as a run compares with, and the newest, too: more are more alike.
        known = np.zeros(len(job.weights), bool)
        known[np.argsort(self._origins.age_days, kind="stable")[:MAX_PHOTOS]] = True
        found = measure_out_of_fold(
            features, np.isin(names[job.targets], violations), job.folds, known & (job.weights > 0)
        )
        if found is None:
            return None
        return Surroundings(found.violating_share[held_out], found.similarity[held_out])
