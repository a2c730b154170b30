"""Screens by the model's features: decided photos that a photo resembles, or that none resembles.

They run after the forward pass, since the model computes the features. As every screen, they can
only send a photo to review.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from ml.core.computation import Computation
from ml.core.concurrency import StageTimer
from ml.core.types import Evidence, ScreenResult, negative, positive
from ml.models.card import ModelCard
from ml.models.evaluation.held_out_labels import passes
from ml.models.nearest_photos import NearestPhotos
from ml.models.predictor import Prediction, Scores
from ml.moderation.pipeline.copies import BlockedCopies, LoadPictures
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.policy.schema import Policy
from ml.storage.database import RETRY_SECONDS, in_transaction
from ml.storage.photo_features import (
    MAX_PHOTOS,
    DecidedFeatures,
    load_decided,
    load_pictures,
)
from ml.vision.screens import copies
from ml.vision.screens.copies import Gray

SIMILAR, UNFAMILIAR = "similar_decisions", "unfamiliar"
USUAL_SHARE = 0.5  # of the photos that the model was trained on
MIN_PHOTOS = 20  # fewer decided photos say nothing of a photo that is unlike them
_MAX_EVIDENCE = 5  # photos, the most similar first

Floats = npt.NDArray[np.float32]


def needs_features(card: ModelCard, policy: Policy) -> bool:
    """Whether a screen of the policy asks for them, and the model has a rule for it."""
    screens = policy.screens
    similar = screens.similar_decisions.enabled and card.memory is not None
    return (
        screens.copies.enabled
        or similar
        or (screens.unfamiliar.enabled and card.min_similarity is not None)
    )


class SimilarDecisions:
    """The photos that reviewers decided on, and the rules of a model for them. Thread-safe.

    `len` is the number of photos to compare with, 0 if there are too few. `copies` are the blocked
    ones with their pictures; None where there are none, or the policy does not ask.
    """

    def __init__(
        self,
        decided: Sequence[DecidedFeatures],
        card: ModelCard,
        policy: Policy,
        load_pictures: LoadPictures = lambda _: {},
    ) -> None:
        self._card, self._policy = card, policy
        blocked = [d for d in decided if d.label is None or d.label in policy.violations]
        self.copies = (
            BlockedCopies(
                [photo.content_sha256 for photo in blocked],
                np.stack([photo.features for photo in blocked]),
                load_pictures,
            )
            if blocked and policy.screens.copies.enabled
            else None
        )
        decided = [photo for photo in decided if photo.label is not None]
        self._contents = [photo.content_sha256 for photo in decided]
        self._labels = [photo.label or "" for photo in decided]
        self._violates = np.array([photo.label in policy.violations for photo in decided])
        enough = len(decided) >= MIN_PHOTOS
        self._nearest = (
            NearestPhotos(np.stack([photo.features for photo in decided])) if enough else None
        )

    def __len__(self) -> int:
        return len(self._nearest) if self._nearest is not None else 0

    @property
    def _tells_unfamiliar(self) -> bool:
        """Whether there are enough decided photos: among fewer, each is less alike to the next."""
        usual = min(MAX_PHOTOS, self._card.training_images)
        has_rule = self._card.min_similarity is not None
        is_enabled = self._policy.screens.unfamiliar.enabled
        return is_enabled and has_rule and len(self) >= USUAL_SHARE * usual

    def screen(
        self, features: Floats, scores: Sequence[Scores], pass_confidence: float
    ) -> list[dict[str, ScreenResult]]:
        """The results of photos with these features (N, F), by name; empty without decided photos.

        Of photos that pass by their scores, only a screen that fires keeps its evidence.
        """
        if self._nearest is None:
            return [{} for _ in features]
        violations = sorted(self._policy.violations)
        summed = np.array([sum(each[name] for name in violations) for each in scores])
        passed = passes(summed, pass_confidence).tolist()
        found = zip(*self._nearest.search(features), passed, strict=True)
        return [self._screen(near, rows, passing) for near, rows, passing in found]

    def _screen(
        self,
        similarities: Floats,
        rows: npt.NDArray[np.int64],
        passing: bool,
    ) -> dict[str, ScreenResult]:
        screens = self._policy.screens
        results: dict[str, ScreenResult] = {}
        if screens.similar_decisions.enabled and self._card.memory is not None:
            result = self._screen_similar(similarities, rows)
            is_kept = result.fired or not passing
            results[SIMILAR] = result if is_kept else negative(SIMILAR, result.value)
        if self._tells_unfamiliar:
            results[UNFAMILIAR] = self._screen_unfamiliar(float(similarities.mean()))
        return results

    def _screen_similar(self, similarities: Floats, rows: npt.NDArray[np.int64]) -> ScreenResult:
        share = float(self._violates[rows].mean())
        evidence: Evidence = {
            "photos": [
                {
                    "content_sha256": self._contents[row],
                    "label": self._labels[row],
                    "similarity": round(float(similarity), 4),
                }
                for row, similarity in list(zip(rows.tolist(), similarities, strict=True))[
                    :_MAX_EVIDENCE
                ]
            ]
        }
        rule = self._card.memory
        if rule is None or share < rule.min_violating_share:
            return negative(SIMILAR, share, evidence)
        labels = Counter(self._labels[row] for row in rows[self._violates[rows]].tolist())
        likeliest = min(labels, key=lambda label: (-labels[label], label))
        return positive(SIMILAR, f"similar_violation:{likeliest}", share, evidence)

    def _screen_unfamiliar(self, similarity: float) -> ScreenResult:
        least = self._card.min_similarity
        if least is None or similarity >= least:
            return negative(UNFAMILIAR, similarity)
        return positive(UNFAMILIAR, "unfamiliar", similarity)


def screen_by_features(
    similar: SimilarDecisions | None,
    prediction: Prediction,
    pictures: Sequence[Gray | None],
    pass_confidence: float,
    clock: StageTimer,
) -> list[dict[str, ScreenResult]]:
    """The results of all screens by features, of each photo; `pictures` are from `small_pictures`.

    Raises:
        StorageError: pictures of blocked photos cannot be loaded.
    """
    scores, features = prediction
    if similar is None or features is None:
        return [{} for _ in scores]
    with clock.time("screen_similar_decisions"):
        results = similar.screen(features, scores, pass_confidence)
    if similar.copies is None:
        return results
    with clock.time("screen_copies"):
        found = similar.copies.screen(features, pictures)
    return [{copies.NAME: copy} | result for copy, result in zip(found, results, strict=True)]


def load_similar_decisions(
    engine: Engine,
    card: ModelCard,
    policy: Policy,
    *,
    source: str,
    before: datetime,
    picture_seconds: float = RETRY_SECONDS,
) -> SimilarDecisions:
    """Load the photos that were decided before a moment and have features of this source.

    Pictures are loaded later, while photos are screened: `picture_seconds` limit the retries.
    """
    load = partial(load_decided, source=source, before=before, classes=policy.classes)
    pictures = partial(load_pictures, engine, seconds=picture_seconds)
    return SimilarDecisions(in_transaction(engine, load), card, policy, pictures)


def load_for_version(
    loader: ModelLoader,
    model_hash: str,
    computation: Computation | None,
    *,
    before: datetime | None,
) -> SimilarDecisions | None:
    """Load the photos decided before a moment; None: no screen of the policy compares with them.

    `before` is None only for a run that has not begun.
    """
    card, policy = loader.load_card(model_hash), loader.policy
    if before is None or not needs_features(card, policy):
        return None
    source = loader.feature_source(model_hash, computation)
    engine = loader.connections.engine
    return load_similar_decisions(engine, card, policy, source=source, before=before)
