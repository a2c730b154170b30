"""Split photos into train, validation and calibration: whole groups, by class x category.

A photo stays in the split it once had, because a warm start continues from earlier versions:

- a group with a photo that the champion or a warm-start ancestor was trained on, or that was in
  `train` of an earlier snapshot, is in `train`: thresholds solved on photos that the weights have
  seen would be too optimistic;
- otherwise a group that was in `validation`, then one that was in `calibration`, stays there;
- all others are split by the policy's shares and the seed.
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
from ml.policy.retraining import LabelIssuePolicy, Retraining
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
    """A photo of the snapshot with its relative sampling weight in training."""

    photo: LabelledPhoto
    weight: float


def select_samples(
    manifest: Manifest, issues: Mapping[str, LabelIssue], treatment: LabelIssuePolicy
) -> tuple[WeightedSample, ...]:
    """The photos of a snapshot to use: all but golden ones, and label issues by the policy.

    A photo is sampled by its weight, so that the network sees photos in the proportions of the
    uploads and not of the review queue. `down_weight` affects training only; `exclude` affects
    training and validation.
    """
    samples = []
    for photo in manifest.photos:
        issue = issues.get(photo.content_sha256)
        suspected = issue is not None and issue.label == photo.label
        # Calibration photos stay: a leak that looks like a label error may be a leak, and the bound
        # for which thresholds are solved would be too optimistic.
        suspected = suspected and photo.part is not Split.CALIBRATION
        if photo.part is Split.GOLDEN or (suspected and treatment.action == "exclude"):
            continue
        factor = treatment.weight if suspected and treatment.action == "down_weight" else 1.0
        samples.append(WeightedSample(photo, photo.weight * factor))
    return tuple(samples)


P = TypeVar("P", bound=Split | bool)

# The split whose photos influence the weights most comes first.
_BY_EXPOSURE = (Split.TRAIN, Split.VALIDATION, Split.CALIBRATION)


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


def assign_splits(
    photos: Sequence[UnassignedPhoto],
    earlier: Mapping[str, Split],
    *,
    policy: Retraining,
    seed: int,
) -> dict[str, Split]:
    """The split of each photo by content hash, by the rules of this module.

    `photos` are all that are neither golden nor excluded; `earlier` has the strictest earlier split
    by content hash; `seed` selects among equivalent splits.
    """
    held_out = policy.validation_share + policy.calibration_share
    shares = {
        Split.TRAIN: 1 - held_out,
        Split.VALIDATION: policy.validation_share,
        Split.CALIBRATION: policy.calibration_share,
    }
    placed: dict[str, Split] = {}
    free: list[UnassignedPhoto] = []
    for members in by_group(photos):
        before = {earlier[m.content_sha256] for m in members if m.content_sha256 in earlier}
        if before:
            placed |= dict.fromkeys((m.content_sha256 for m in members), strictest_split(before))
        else:
            free += members
    return placed | stratified_group_split(free, shares, seed=seed)


def strictest_split(parts: Iterable[Split]) -> Split:
    """Of the splits that a photo was in, the one in which it influenced the weights most."""
    return min(parts, key=_BY_EXPOSURE.index)


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


def check_splits(
    photos: Iterable[tuple[str, Split]],
    classes: Iterable[str],
    *,
    remedy: str,
    required: Iterable[Split] = Split,
) -> None:
    """Raise TrainingError if no (label, split) is of a required split, or of a class in `train`."""
    found = set(photos)
    filled = {part for _, part in found}
    empty = [part for part in required if part not in filled]
    if empty:
        raise TrainingError(f"no photo is left for {', '.join(empty)}: {remedy}")
    missing = sorted(set(classes) - {label for label, part in found if part is Split.TRAIN})
    if missing:
        raise TrainingError(f"no photo of {', '.join(missing)} is left to train on: {remedy}")


def _shuffled(groups: list[list[UnassignedPhoto]], seed: int) -> list[list[UnassignedPhoto]]:
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    return sorted((groups[i] for i in order), key=lambda group: (-len(group), _stratum(group)))


def _stratum(group: Sequence[UnassignedPhoto]) -> tuple[str, str]:
    """The most frequent class and category of a group."""
    strata = Counter((m.label, m.category or "") for m in group)
    return min(strata, key=lambda stratum: (-strata[stratum], stratum))
