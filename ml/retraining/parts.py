"""Photos into train, validation and calibration: whole groups, class x category, by the seed.

Where a photo once was it stays, since a warm start carries on what earlier versions learnt:

- a group with a photo that the champion (or a version that it grew from) was trained on, or that
  was in `train` of an earlier snapshot, is in `train`: cut-offs solved on photos that the weights
  have seen would promise too much;
- otherwise a group that was in `validation`, then one that was in `calibration`, stays there;
- all others are divided by the policy's shares.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ml.errors import TrainingError
from ml.policy.retraining import Retraining
from ml.retraining.manifest import Part

P = TypeVar("P", bound=Part | bool)

# What weights have seen most of comes first.
_BY_EXPOSURE = (Part.TRAIN, Part.VALIDATION, Part.CALIBRATION)


@dataclass(frozen=True)
class Unplaced:
    """A labelled photo before it is known what it is for; fields as in `LabelledPhoto`."""

    content_sha256: str
    label: str
    category: str | None
    route: str
    weight: float
    group: int
    new: bool


def place(
    photos: Sequence[Unplaced], earlier: Mapping[str, Part], *, policy: Retraining, seed: int
) -> dict[str, Part]:
    """The part of each photo by content hash, as the module says.

    Args:
        photos: all that are neither golden nor left out.
        earlier: where photos were before, by content hash; see `most_exposed`.
        policy: the shares.
        seed: which of the possible divisions.
    """
    held_out = policy.validation_share + policy.calibration_share
    shares = {
        Part.TRAIN: 1 - held_out,
        Part.VALIDATION: policy.validation_share,
        Part.CALIBRATION: policy.calibration_share,
    }
    placed: dict[str, Part] = {}
    free: list[Unplaced] = []
    for members in by_group(photos):
        before = {earlier[m.content_sha256] for m in members if m.content_sha256 in earlier}
        if before:
            placed |= dict.fromkeys((m.content_sha256 for m in members), most_exposed(before))
        else:
            free += members
    return placed | divide(free, shares, seed=seed)


def most_exposed(parts: Iterable[Part]) -> Part:
    """Of the parts that a photo was in, the one by which weights have seen most of it."""
    return min(parts, key=_BY_EXPOSURE.index)


def divide(photos: Sequence[Unplaced], shares: Mapping[P, float], *, seed: int) -> dict[str, P]:
    """Deal whole groups out so that each class, and each category of it, keeps the shares.

    The largest groups go first, the single photos even out what they upset, category after
    category. Each goes where its classes' quota is filled least: the divisor method of Webster,
    so that small classes come as near to the shares as whole groups can, and their first photo
    goes to the largest share.

    Args:
        photos: in an order that is the same in every run.
        shares: part -> share of the photos, each over 0.
        seed: which of the groups of one kind go where.

    Returns:
        Content hash -> part.
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


def by_group(photos: Iterable[Unplaced]) -> list[list[Unplaced]]:
    """The photos of each group, in the order of each group's first photo."""
    groups: defaultdict[int, list[Unplaced]] = defaultdict(list)
    for photo in photos:
        groups[photo.group].append(photo)
    return list(groups.values())


def check_parts(
    photos: Iterable[Unplaced], parts: Mapping[str, Part], classes: Iterable[str]
) -> None:
    """Raise TrainingError where a part has no photos, or `train` none of a class of the policy."""
    taught = {photo.label for photo in photos if parts[photo.content_sha256] is Part.TRAIN}
    untaught = sorted(set(classes) - taught)
    if untaught:
        raise TrainingError(
            f"no labelled photo of {', '.join(untaught)} is left to train on: label more of them, "
            "or take the class out of the policy"
        )
    for part in Part:
        if part not in parts.values():
            raise TrainingError(
                f"no labelled photo is left for `{part.value}`: label more photos that are new to "
                "the champion and do not look like those it was trained on"
            )


def _shuffled(groups: list[list[Unplaced]], seed: int) -> list[list[Unplaced]]:
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    return sorted((groups[i] for i in order), key=lambda group: (-len(group), _stratum(group)))


def _stratum(group: Sequence[Unplaced]) -> tuple[str, str]:
    """Class and category of most of a group's photos."""
    strata = Counter((m.label, m.category or "") for m in group)
    return min(strata, key=lambda stratum: (-strata[stratum], stratum))
