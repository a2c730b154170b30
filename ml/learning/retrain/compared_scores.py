"""Scores of candidate and champion on golden and held-out photos, and their comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.core.manifest import GoldenPhoto, GoldenSet, LabelledPhoto
from ml.learning.retrain.scoring import ScoredPhotos
from ml.models.card import ModelCard
from ml.models.evaluation.metrics import brightness_name, size_name
from ml.models.evaluation.model_comparison import ModelScores, Photos, compare, is_violation
from ml.models.out_of_fold import OutOfFold
from ml.policy.schema import Policy
from ml.policy.verdict import Decision

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ComparedScores:
    """Photos that could be scored, and the scores of both models, row for row.

    `sets` are the rows of each comparison by its name; `champion` is None for a first candidate.
    """

    hashes: list[str]
    photos: Photos
    sets: dict[str, Indices]
    candidate: ModelScores
    champion: ModelScores | None

    def compare(self, policy: Policy) -> dict[str, Any]:
        """The comparisons of the report, of the sets that have photos."""
        return {
            name: compare(
                self.photos.subset(rows),
                candidate=self.candidate.subset(rows),
                champion=self.champion.subset(rows) if self.champion else None,
                policy=policy,
            )
            for name, rows in self.sets.items()
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
) -> ComparedScores:
    """The scores of the golden photos of these classes, in their order, without the rejected ones.

    The sets are `golden`, and of these `newest`, which the latest version of the set added. `cards`
    are the candidate's, then the champion's; `classes` are in the order of the columns.
    """
    usable = _usable(golden_set.photos, scored, classes)
    rows = scored.rows([photo.content_sha256 for photo in usable])
    newest = [i for i, photo in enumerate(usable) if photo.added_in == golden_set.name]
    sets = {"golden": np.arange(len(usable)), "newest": np.array(newest, dtype=np.int64)}
    candidate = model_scores(scored, 0, cards[0]).subset(rows)
    return _compared(usable, rows, candidate, scored, sets, cards=cards, classes=classes)


def select_held_out_scores(
    photos: Sequence[LabelledPhoto],
    out_of_fold: OutOfFold,
    scored: ScoredPhotos,
    *,
    cards: Sequence[ModelCard],
    classes: Sequence[str],
) -> ComparedScores:
    """The candidate's out-of-fold scores, and the champion's, of photos that neither has seen.

    The set is `out_of_fold`; arguments as of `select_golden_scores`.
    """
    row_of = {content: i for i, content in enumerate(out_of_fold.hashes)}
    usable = [p for p in _usable(photos, scored, classes) if p.content_sha256 in row_of]
    rows = scored.rows([photo.content_sha256 for photo in usable])
    columns = [cards[0].classes.index(name) for name in classes]
    predicted = out_of_fold.probabilities[[row_of[p.content_sha256] for p in usable]][:, columns]
    candidate = ModelScores(predicted, cards[0].thresholds.pass_confidence)
    sets = {"out_of_fold": np.arange(len(usable))}
    return _compared(usable, rows, candidate, scored, sets, cards=cards, classes=classes)


P = TypeVar("P", GoldenPhoto, LabelledPhoto)


def _usable(photos: Sequence[P], scored: ScoredPhotos, classes: Sequence[str]) -> list[P]:
    scorable = set(scored.hashes)
    return [p for p in photos if p.label in classes and p.content_sha256 in scorable]


def _compared(
    photos: Sequence[GoldenPhoto] | Sequence[LabelledPhoto],
    rows: Indices,
    candidate: ModelScores,
    scored: ScoredPhotos,
    sets: dict[str, Indices],
    *,
    cards: Sequence[ModelCard],
    classes: Sequence[str],
) -> ComparedScores:
    champion = model_scores(scored, 1, cards[1]).subset(rows) if len(cards) > 1 else None
    # Classes that the champion does not know are new; without a champion, none is.
    known_before = cards[-1].classes
    described = _describe(photos, scored, rows, classes=classes, known_before=known_before)
    hashes = [photo.content_sha256 for photo in photos]
    return ComparedScores(hashes, described, sets, candidate, champion)


def _describe(
    photos: Sequence[GoldenPhoto] | Sequence[LabelledPhoto],
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
