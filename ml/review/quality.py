"""How well reviewers agree with each other and with the golden set: pure functions over labels.

None stands where the labels do not say: no shared photo, no golden photo of a class.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Judgement:
    """One reviewer's label of one content."""

    reviewer: str
    content_sha256: str
    label: str


@dataclass(frozen=True)
class PairAgreement:
    """Two reviewers on the photos that both judged; `agreement` is the share of equal labels."""

    first: str
    second: str
    photos: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True)
class ClassAccuracy:
    """One reviewer on the golden photos of one class, and on what they called by its name.

    `recall`: share of the class's photos that the reviewer named so; `precision`: share of what
    they named so that is of the class.
    """

    photos: int
    right: int
    named: int

    @property
    def recall(self) -> float | None:
        """None without golden photos of the class."""
        return self.right / self.photos if self.photos else None

    @property
    def precision(self) -> float | None:
        """None where the reviewer never named the class."""
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
        """Share of right labels; None where the reviewer judged no golden photo."""
        return self.right / self.photos if self.photos else None


def pair_agreement(judgements: Iterable[Judgement]) -> list[PairAgreement]:
    """Each pair of reviewers with photos in common, by name; a reviewer's last label counts."""
    said = _last_labels(judgements)
    pairs = []
    for first, second in combinations(sorted(said), 2):
        shared = sorted(said[first].keys() & said[second].keys())
        if shared:
            labels = [(said[first][photo], said[second][photo]) for photo in shared]
            pairs.append(_agreement(first, second, labels))
    return pairs


def cohens_kappa(labels: Sequence[tuple[str, str]]) -> float | None:
    """Agreement beyond chance of two reviewers (Cohen 1960): (observed - chance) / (1 - chance).

    None where chance alone agrees fully: both gave one and the same label throughout.

    Args:
        labels: of the first and the second reviewer, a pair a photo; not empty.
    """
    photos = len(labels)
    agreed = sum(first == second for first, second in labels)
    firsts, seconds = (Counter(side) for side in zip(*labels, strict=True))
    # In whole numbers, so that "chance agrees fully" is no matter of rounding.
    chance = sum(firsts[label] * seconds[label] for label in firsts)
    if chance == photos**2:
        return None
    return (agreed * photos - chance) / (photos**2 - chance)


def golden_accuracy(
    judgements: Iterable[Judgement], truth: Mapping[str, str]
) -> list[ReviewerAccuracy]:
    """Each reviewer against the golden labels, by name; a reviewer's last label counts.

    Args:
        judgements: of any photos; those outside the golden set are ignored.
        truth: content hash -> label of the golden photos.
    """
    return [
        _accuracy(
            reviewer, {photo: label for photo, label in said.items() if photo in truth}, truth
        )
        for reviewer, said in sorted(_last_labels(judgements).items())
    ]


def _last_labels(judgements: Iterable[Judgement]) -> dict[str, dict[str, str]]:
    """Reviewer -> content hash -> label."""
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for judgement in judgements:
        said[judgement.reviewer][judgement.content_sha256] = judgement.label
    return said


def _agreement(first: str, second: str, labels: Sequence[tuple[str, str]]) -> PairAgreement:
    agreed = sum(one == other for one, other in labels)
    return PairAgreement(first, second, len(labels), agreed / len(labels), cohens_kappa(labels))


def _accuracy(reviewer: str, said: Mapping[str, str], truth: Mapping[str, str]) -> ReviewerAccuracy:
    photos = Counter(truth[photo] for photo in said)
    named = Counter(said.values())
    right = Counter(label for photo, label in said.items() if truth[photo] == label)
    classes = {
        name: ClassAccuracy(photos[name], right[name], named[name])
        for name in sorted({*truth.values(), *named})
    }
    return ReviewerAccuracy(reviewer, len(said), right.total(), classes)
