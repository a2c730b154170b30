"""Score the photos that candidate and champion are compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ml.core.errors import TrainingError
from ml.core.manifest import GoldenPhoto, GoldenSet, LabelledPhoto
from ml.core.settings import Settings
from ml.learning.retrain.compared_scores import (
    ComparedScores,
    select_golden_scores,
    select_held_out_scores,
)
from ml.learning.retrain.scoring import ScoredPhotos, score_photos
from ml.models.out_of_fold import OutOfFold
from ml.models.predictor import Predictor
from ml.storage.connections import Connections

T = TypeVar("T")
P = TypeVar("P", GoldenPhoto, LabelledPhoto)

# More would cost a forward pass of the champion each, and hardly change a paired test.
MAX_HELD_OUT = 2000


@dataclass(frozen=True)
class ComparedVersions:
    """Golden and held-out photos with the scores of both versions; either may be empty.

    `rejected_golden` maps golden photos without a score to the reason.
    """

    golden: ComparedScores
    held_out: ComparedScores
    scored: ScoredPhotos
    rejected_golden: dict[str, str]

    @property
    def main_set(self) -> str:
        """The larger set, by its name in the report."""
        return "out_of_fold" if len(self.held_out.hashes) > len(self.golden.hashes) else "golden"

    @property
    def main(self) -> ComparedScores:
        """The larger set."""
        return self.held_out if self.main_set == "out_of_fold" else self.golden


def compare_versions(
    golden_set: GoldenSet,
    held_out: Sequence[LabelledPhoto],
    out_of_fold: OutOfFold | None,
    *,
    extra: Sequence[str],
    predictors: Sequence[Predictor],
    classes: Sequence[str],
    settings: Settings,
    connections: Connections,
) -> ComparedVersions:
    """Score golden and held-out photos; `extra` contents are scored, too.

    `predictors` are the candidate's, then the champion's; `out_of_fold` are the candidate's
    predictions of its training photos.

    Raises:
        TrainingError: no photo can be compared on.
        ObjectNotFound: a photo was never archived.
    """
    known = [p.content_sha256 for p in golden_set.photos if p.label in classes]
    unknown = {
        p.content_sha256: f"unknown_class:{p.label}"
        for p in golden_set.photos
        if p.label not in classes
    }
    others = spread_evenly(held_out) if out_of_fold is not None else []
    hashes = [*known, *(photo.content_sha256 for photo in others), *extra]
    scored = score_photos(
        list(dict.fromkeys(hashes)), predictors,
        classes=classes, settings=settings, connections=connections,
    )  # fmt: skip
    cards = [predictor.card for predictor in predictors]
    found = ComparedVersions(
        select_golden_scores(golden_set, scored, cards=cards, classes=classes),
        select_held_out_scores(
            others, out_of_fold or OutOfFold([], np.empty((0, len(classes)))), scored,
            cards=cards, classes=classes,
        ),
        scored,
        {content: scored.rejected[content] for content in known if content in scored.rejected}
        | unknown,
    )  # fmt: skip
    if not found.main.hashes:
        raise TrainingError(
            f"no photo of golden set {golden_set.name} can be scored, and there is none that "
            "neither model was trained on: label more photos, or see why they are rejected"
        )
    return found


def choose_of_groups(photos: Sequence[P], groups: Mapping[str, int]) -> list[P]:
    """The first photo of each group; `groups` are by content, and another photo is alone.

    A paired test takes photos for independent, and near-duplicates are won or lost together.
    """
    first: dict[int | str, P] = {}
    for photo in photos:
        first.setdefault(groups.get(photo.content_sha256, photo.content_sha256), photo)
    return list(first.values())


def spread_evenly(photos: Sequence[T]) -> list[T]:
    """At most MAX_HELD_OUT of the photos, evenly spread."""
    spread = np.linspace(0, len(photos) - 1, min(len(photos), MAX_HELD_OUT)).astype(int)
    return [photos[i] for i in spread]
