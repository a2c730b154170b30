"""Assign photos to the folds of cross-fitting: whole groups, by class x category.

Every photo that is not golden is trained on. Temperature, thresholds and the comparison of
candidates need predictions of photos that a network has not learnt from: for each fold a network is
trained on the other folds. A group is never divided: copies, near duplicates, photos of one review.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ml.core.errors import TrainingError
from ml.core.manifest import LabelledPhoto, Manifest, Split
from ml.models.training.folds import FOLDS
from ml.policy.retraining import LabelIssuePolicy
from ml.storage.label_issues import LabelIssue
from ml.storage.photo_archive import ArchivedPhoto
from ml.vision.images.duplicate_groups import near_duplicate_groups


def group_photos(rows: Sequence[ArchivedPhoto]) -> list[int]:
    """A group number for each photo, from 0 on, in the order of each group's first photo.

    Two photos are in one group if they are near duplicates (PDQ) or belong to one review, or if a
    chain of such pairs connects them: a buyer's photos of one parcel share background, light and
    camera. A photo without a review is connected by near duplicates only.
    """
    alike = near_duplicate_groups([r.pdq for r in rows], [r.pdq_quality for r in rows])
    first: dict[str, int] = {}
    same_review = [
        index if row.review_id is None else first.setdefault(row.review_id, index)
        for index, row in enumerate(rows)
    ]
    # Edges from each photo to its near-duplicate group (numbered after the photos) and to the first
    # photo of its review.
    n = len(rows)
    ends = np.concatenate([np.asarray(alike, np.int64) + n, np.asarray(same_review, np.int64)])
    edges = (np.ones(2 * n, np.int8), (np.tile(np.arange(n), 2), ends))
    _, component = connected_components(coo_array(edges, shape=(2 * n, 2 * n)), directed=False)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(c, len(numbers)) for c in component[:n].tolist()]


@dataclass(frozen=True)
class WeightedSample:
    """A photo of the snapshot with its relative sampling weight in training; 0: not trained on."""

    photo: LabelledPhoto
    weight: float
    fold: int


def select_samples(
    manifest: Manifest, issues: Mapping[str, LabelIssue], treatment: LabelIssuePolicy
) -> tuple[WeightedSample, ...]:
    """The photos of a snapshot except golden ones, with label issues treated by the policy.

    A photo is sampled by its weight, so that the network sees photos in the proportions of the
    uploads and not of the review queue. A label issue lowers the weight in training only: a leak
    that looks like a label error may be a leak, and without it the threshold's bound would be too
    optimistic.

    Raises:
        TrainingError: the snapshot has no folds, since an earlier release made it.
    """
    lowered = {"exclude": 0.0, "down_weight": treatment.weight, "keep": 1.0}[treatment.action]
    samples = []
    for photo in manifest.photos:
        if photo.part is Split.GOLDEN:
            continue
        if photo.fold is None:
            raise TrainingError(
                "this run's snapshot was made by an earlier release, without folds: trigger a new "
                "run of retrain_model"
            )
        issue = issues.get(photo.content_sha256)
        suspected = issue is not None and issue.label == photo.label
        weight = photo.weight * (lowered if suspected else 1.0)
        samples.append(WeightedSample(photo, weight, photo.fold))
    return tuple(samples)


P = TypeVar("P", bound=int)


@dataclass(frozen=True)
class UnassignedPhoto:
    """A labelled photo without a split; fields as in `LabelledPhoto`."""

    content_sha256: str
    label: str
    category: str | None
    route: str
    weight: float
    group: int
    new: bool
    age_days: int = 0


def assign_folds(photos: Sequence[UnassignedPhoto], *, seed: int) -> dict[str, int]:
    """The fold of each photo by content hash, 0 to FOLDS - 1; `seed` selects among equivalents."""
    return stratified_group_split(photos, dict.fromkeys(range(FOLDS), 1 / FOLDS), seed=seed)


def stratified_group_split(
    photos: Sequence[UnassignedPhoto], shares: Mapping[P, float], *, seed: int
) -> dict[str, P]:
    """Assign whole groups so that each class, and each category of it, keeps the shares.

    The largest groups go first; single photos then balance them, category by category. Each goes to
    the split where the quota of its classes is filled least: Webster's divisor method, which sends
    the first photo of a small class to the largest share. The order of `photos` is the same in
    every run; each share is over 0; `seed` selects among groups of one kind. Returns the split by
    content hash.
    """
    totals = Counter(photo.label for photo in photos)
    dealt: Counter[tuple[P, str]] = Counter()
    placed: dict[str, P] = {}

    def filled(part: P, labels: Counter[str]) -> float:
        return sum(
            count * (dealt[part, label] + count / 2) / (shares[part] * totals[label])
            for label, count in labels.items()
        )

    for members in _shuffled(by_group(photos), seed):
        labels = Counter(m.label for m in members)
        fills = {part: filled(part, labels) for part in shares}
        part = min(fills, key=lambda p: fills[p])
        dealt.update({(part, label): count for label, count in labels.items()})
        placed |= dict.fromkeys((m.content_sha256 for m in members), part)
    return placed


def by_group(photos: Iterable[UnassignedPhoto]) -> list[list[UnassignedPhoto]]:
    """The photos of each group, in the order of each group's first photo."""
    groups: defaultdict[int, list[UnassignedPhoto]] = defaultdict(list)
    for photo in photos:
        groups[photo.group].append(photo)
    return list(groups.values())


def check_classes(
    photos: Iterable[tuple[str, int]], classes: Iterable[str], *, remedy: str
) -> None:
    """Raise TrainingError unless each class has photos (label, fold) of two folds."""
    folds: defaultdict[str, set[int]] = defaultdict(set)
    for label, fold in photos:
        folds[label].add(fold)
    few = sorted(name for name in classes if len(folds[name]) < 2)  # noqa: PLR2004 - one is held out
    if few:
        raise TrainingError(
            f"too few photos of {', '.join(few)} to train on and to hold out: {remedy}"
        )


def _shuffled(groups: list[list[UnassignedPhoto]], seed: int) -> list[list[UnassignedPhoto]]:
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    return sorted((groups[i] for i in order), key=lambda group: (-len(group), _stratum(group)))


def _stratum(group: Sequence[UnassignedPhoto]) -> tuple[str, str]:
    """The most frequent class and category of a group."""
    strata = Counter((m.label, m.category or "") for m in group)
    return min(strata, key=lambda stratum: (-strata[stratum], stratum))
