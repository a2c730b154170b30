"""Scores of candidate and champion on the golden photos, and their comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.core.errors import TrainingError
from ml.core.manifest import GoldenPhoto, GoldenSet
from ml.learning.retrain.scoring import ScoredPhotos
from ml.models.card import ModelCard
from ml.models.evaluation.metrics import brightness_name, size_name
from ml.models.evaluation.model_comparison import ModelScores, Photos, compare, is_violation
from ml.policy.schema import Policy
from ml.policy.verdict import Decision

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GoldenScores:
    """The golden photos that could be scored, and the scores of both models, row for row.

    `newest` are the rows that the latest version of the golden set added; `champion` is None for a
    first candidate.
    """

    hashes: list[str]
    photos: Photos
    newest: Indices
    candidate: ModelScores
    champion: ModelScores | None

    def compare(self, policy: Policy) -> dict[str, Any]:
        """The comparisons of the report: `golden`, and `newest` if there are such photos."""
        rows_of = {"golden": np.arange(len(self.hashes)), "newest": self.newest}
        return {
            name: compare(
                self.photos.subset(rows),
                candidate=self.candidate.subset(rows),
                champion=self.champion.subset(rows) if self.champion else None,
                policy=policy,
            )
            for name, rows in rows_of.items()
            if len(rows)
        }

    def find_disagreements(self, policy: Policy) -> list[dict[str, Any]]:
        """All photos with different decisions: content, label, category, decisions, scores.

        First violations that only the candidate would pass, then those that only the champion
        would, then the rest; within each group the largest difference of the violation scores
        first. Without a champion there are none.
        """
        if self.champion is None:
            return []
        table = pd.DataFrame(
            {
                "content_sha256": self.hashes,
                "label": np.array(list(policy.classes))[self.photos.labels],
                "category": self.photos.categories,
                "candidate": [decision.value for decision in self.candidate.decisions(policy)],
                "champion": [decision.value for decision in self.champion.decisions(policy)],
                "candidate_score": self.candidate.violation_scores(policy),
                "champion_score": self.champion.violation_scores(policy),
            }
        )
        violation, passed = is_violation(self.photos.labels, policy), Decision.PASS.value
        missed = [violation & (table[model] == passed) for model in ("candidate", "champion")]
        table["rank"] = np.select(missed, [0, 1], default=2)
        table["gap"] = (table["candidate_score"] - table["champion_score"]).abs()
        differing = table[table["candidate"] != table["champion"]].sort_values(
            ["rank", "gap", "content_sha256"], ascending=[True, False, True]
        )
        records = differing.drop(columns=["rank", "gap"]).to_dict("records")
        return cast("list[dict[str, Any]]", records)


def model_scores(scored: ScoredPhotos, version: int, card: ModelCard) -> ModelScores:
    """The scores of one of the versions on all scored photos, with its own threshold."""
    return ModelScores(scored.probabilities[version], card.thresholds.pass_confidence)


def select_golden_scores(
    golden_set: GoldenSet,
    scored: ScoredPhotos,
    *,
    cards: Sequence[ModelCard],
    classes: Sequence[str],
) -> GoldenScores:
    """The scores of the golden photos of these classes, in their order, without the rejected ones.

    `cards` are the candidate's, then the champion's; `classes` are in the order of the columns.

    Raises:
        TrainingError: none of the photos could be scored.
    """
    usable = [
        photo
        for photo in golden_set.photos
        if photo.label in classes and photo.content_sha256 not in scored.rejected
    ]
    if not usable:
        raise TrainingError(
            f"no photo of golden set {golden_set.name} can be scored: label more photos, "
            "or see why they are rejected"
        )
    hashes = [photo.content_sha256 for photo in usable]
    rows = scored.rows(hashes)
    by_version = [
        model_scores(scored, version, card).subset(rows) for version, card in enumerate(cards)
    ]
    newest = [i for i, photo in enumerate(usable) if photo.added_in == golden_set.name]
    # Classes that the champion does not know are new; without a champion, none is.
    known_before = cards[-1].classes
    return GoldenScores(
        hashes=hashes,
        photos=_describe(usable, scored, rows, classes=classes, known_before=known_before),
        newest=np.array(newest, dtype=np.int64),
        candidate=by_version[0],
        champion=by_version[1] if len(by_version) > 1 else None,
    )


def _describe(
    photos: Sequence[GoldenPhoto],
    scored: ScoredPhotos,
    rows: Indices,
    *,
    classes: Sequence[str],
    known_before: Sequence[str],
) -> Photos:
    """Labels, categories and the slices of the report."""
    categories = [photo.category or photo.label for photo in photos]
    labels = np.array([classes.index(photo.label) for photo in photos], dtype=np.int64)
    slices: dict[str, list[str | None]] = {
        "category": [*categories],
        "route": [photo.route for photo in photos],
        "size": [size_name(*scored.sizes[i]) for i in rows],
        "brightness": [brightness_name(scored.brightness[i]) for i in rows],
        "new_class": [None if photo.label in known_before else photo.label for photo in photos],
    }
    return Photos(labels, categories, slices)
