"""Soft labels: what a regression on a stronger network's features says of unlabelled photos.

The network, the teacher of the pretrained weights, separates photos well after few labels, but is
too slow for nightly runs. So it learns from the shop's labels, labels a sample of the shop's other
photos, and the head is fitted to both.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from ml.models.training.head import (
    Bools,
    Floats,
    Head,
    LabelledFeatures,
    cross_fit_head,
    fit_head,
)

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TeacherFeatures:
    """The teacher's features of labelled photos (N, T), and of unlabelled ones (U, T)."""

    labelled: LabelledFeatures
    unlabelled: Float32s
    folds: npt.NDArray[np.int64]
    classes: int
    balanced: bool

    @cached_property
    def inverse_penalty(self) -> float | None:
        """Selected on all labels; None where there are too few of them to fit a head."""
        found = cross_fit_head(self.labelled, self.folds, self.classes, balanced=self.balanced)
        return None if found is None else found.head.inverse_penalty

    @cached_property
    def _fitted(self) -> dict[bytes, Floats]:
        return {}

    def probabilities(self, kept: Bools) -> Floats | None:
        """Of the classes of the unlabelled photos (U, C), by a regression on the kept labels."""
        key = np.packbits(kept).tobytes()
        if key not in self._fitted:
            head = self._fit(kept)
            if head is None:
                return None
            self._fitted[key] = softmax(head.logits(self.unlabelled), axis=1)
        return self._fitted[key]

    def _fit(self, kept: Bools) -> Head | None:
        if self.inverse_penalty is None:
            return None
        return fit_head(
            self.labelled.subset(kept), self.classes,
            inverse_penalty=self.inverse_penalty, balanced=self.balanced,
        )  # fmt: skip


@dataclass(frozen=True)
class SoftLabels:
    """Unlabelled photos with the features (U, F) that the head is fitted to.

    `share` is their total weight relative to that of the labelled photos.
    """

    features: Float32s
    teacher: TeacherFeatures
    share: float

    def add_to(self, photos: LabelledFeatures, kept: Bools) -> LabelledFeatures:
        """The labelled photos that are `kept`, and each unlabelled one once for every class.

        No label that is held out has a part in the soft ones.
        """
        labelled = photos.subset(kept)
        likely = self.teacher.probabilities(kept)
        if likely is None:
            return labelled
        unlabelled, classes = likely.shape
        weights = likely.T.ravel() * (self.share * labelled.weights.sum() / unlabelled)
        return LabelledFeatures(
            np.concatenate([labelled.features, *[self.features] * classes]),
            np.concatenate([labelled.targets, np.repeat(np.arange(classes), unlabelled)]),
            np.concatenate([labelled.weights, weights]),
        )
