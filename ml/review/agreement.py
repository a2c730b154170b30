"""How well reviewers agree with each other and with the golden set: pure functions over labels.

A figure is None where it is undefined: no shared photo, no golden photo of a class.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Rating:
    """One reviewer's label of one content."""

    reviewer: str
    content_sha256: str
    label: str


@dataclass(frozen=True)
class PairAgreement:
    """Two reviewers on the photos that both labelled; `agreement` is the share of equal labels."""

    first: str
    second: str
    photos: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True)
class ClassAccuracy:
    """One reviewer on the golden photos of one class, and on those that they gave its label.

    Of `photos` photos of the class, `right` got its label; `named` photos got it in all.
    """

    photos: int
    right: int
    named: int

    @property
    def recall(self) -> float | None:
        """Share of the class's photos that got its label; None where the class has no photos."""
        return self.right / self.photos if self.photos else None

    @property
    def precision(self) -> float | None:
        """Share of the photos with this label that are of the class; None where none has it."""
        return self.right / self.named if self.named else None


@dataclass(frozen=True)
class ReviewerAccuracy:
    """One reviewer against the golden set."""

    reviewer: str
    photos: int
    right: int
    classes: dict[str, ClassAccuracy]

    @property
    def accuracy(self) -> float | None:
        """Share of right labels; None where the reviewer labelled no golden photo."""
        return self.right / self.photos if self.photos else None


def pair_agreement(ratings: Iterable[Rating]) -> list[PairAgreement]:
    """Each pair of reviewers with photos in common, by name; a reviewer's last label counts."""
    labels = _last_labels(ratings)
    pairs = []
    for first, second in combinations(sorted(labels), 2):
        shared = sorted(labels[first].keys() & labels[second].keys())
        if shared:
            both = [(labels[first][photo], labels[second][photo]) for photo in shared]
            pairs.append(_agreement(first, second, both))
    return pairs


def cohens_kappa(labels: Sequence[tuple[str, str]]) -> float | None:
    """Agreement of two reviewers beyond chance (Cohen 1960): (observed - chance) / (1 - chance).

    None where chance agreement is 1: both gave the same label to all photos.

    Args:
        labels: of the first and the second reviewer, one pair per photo; not empty.
    """
    photos = len(labels)
    agreed = sum(first == second for first, second in labels)
    firsts, seconds = (Counter(side) for side in zip(*labels, strict=True))
    # In integers, so that comparing chance agreement with 1 is exact.
    chance = sum(firsts[label] * seconds[label] for label in firsts)
    if chance == photos**2:
        return None
    return (agreed * photos - chance) / (photos**2 - chance)


def golden_accuracy(ratings: Iterable[Rating], truth: Mapping[str, str]) -> list[ReviewerAccuracy]:
    """Each reviewer against the golden labels, by name; a reviewer's last label counts.

    Args:
        ratings: of any photos; those outside the golden set are ignored.
        truth: content hash -> label of the golden photos.
    """
    return [
        _accuracy(
            reviewer, {photo: label for photo, label in labels.items() if photo in truth}, truth
        )
        for reviewer, labels in sorted(_last_labels(ratings).items())
    ]


def _last_labels(ratings: Iterable[Rating]) -> dict[str, dict[str, str]]:
    """Reviewer -> content hash -> label."""
    labels: dict[str, dict[str, str]] = defaultdict(dict)
    for rating in ratings:
        labels[rating.reviewer][rating.content_sha256] = rating.label
    return labels


def _agreement(first: str, second: str, labels: Sequence[tuple[str, str]]) -> PairAgreement:
    agreed = sum(one == other for one, other in labels)
    return PairAgreement(first, second, len(labels), agreed / len(labels), cohens_kappa(labels))


def _accuracy(
    reviewer: str, labels: Mapping[str, str], truth: Mapping[str, str]
) -> ReviewerAccuracy:
    photos = Counter(truth[photo] for photo in labels)
    named = Counter(labels.values())
    right = Counter(label for photo, label in labels.items() if truth[photo] == label)
    classes = {
        name: ClassAccuracy(photos[name], right[name], named[name])
        for name in sorted({*truth.values(), *named})
    }
    return ReviewerAccuracy(reviewer, len(labels), right.total(), classes)
