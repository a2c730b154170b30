"""How much each reviewer decides, and how well they agree with each other and the golden set.

A figure is None where it is undefined: no shared photo, no golden photo of a class.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations

from sqlalchemy import Connection

from ml.policy.golden_labels import GoldenLabel
from ml.storage.golden_answers import load_opinions
from ml.storage.read.reviewer_stats import (
    AnsweredPhoto,
    DailyActivity,
    GivenLabel,
    load_daily_activity,
    load_golden_answers,
    load_labels,
)

MAX_GAP_SECONDS = 300.0  # a longer gap between two decisions is a break and no working time


@dataclass(frozen=True)
class PairAgreement:
    """Two reviewers on the photos that both labeled; `agreement` is the share of equal labels."""

    first: str
    second: str
    photos: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True)
class ClassAccuracy:
    """One reviewer on the golden photos of one class, of which `right` got its label."""

    photos: int
    right: int

    @property
    def recall(self) -> float | None:
        """Share of the class's photos that got its label; None where the class has no photos."""
        return self.right / self.photos if self.photos else None


@dataclass(frozen=True)
class ReviewerAccuracy:
    """One reviewer against the golden set."""

    reviewer: str
    photos: int
    right: int
    classes: dict[str, ClassAccuracy]

    @property
    def accuracy(self) -> float | None:
        """Share of right labels; None where the reviewer labeled no golden photo."""
        return self.right / self.photos if self.photos else None


@dataclass(frozen=True)
class Workload:
    """What one reviewer did: decisions (in all and by day), undone ones, and the speed.

    `an_hour` is decisions per hour of work without breaks; None without two decisions in a row.
    """

    reviewer: str
    decisions: int
    undone: int
    an_hour: float | None
    days: Mapping[date, int]

    @property
    def undo_rate(self) -> float | None:
        """Share of the decisions that were undone; None without a decision."""
        return self.undone / self.decisions if self.decisions else None


@dataclass(frozen=True)
class ReviewerReport:
    """Workloads, pairwise agreement and golden accuracy, each ordered by name."""

    work: list[Workload]
    pairs: list[PairAgreement]
    golden: list[ReviewerAccuracy]


def reviewer_report(
    connection: Connection, *, since: datetime, until: datetime, zone: str
) -> ReviewerReport:
    """Report on the span from `since` to `until`; `zone` is the time zone of its days.

    Agreement is over photos that two reviewers labeled within the span, blind second reviews
    included; imported and undone labels do not count. Golden accuracy is over the golden tasks
    answered within the span, without those whose label is disputed or was decided otherwise since.
    The workload comes from the activity log and includes golden tasks.
    """
    labels = load_labels(connection, since=since, until=until)
    answers = _load_undisputed_answers(connection, since=since, until=until)
    activity = load_daily_activity(
        connection, since=since, until=until, timezone=zone, max_gap_seconds=MAX_GAP_SECONDS
    )
    truth = {answer.content_sha256: answer.truth for answer in answers}
    return ReviewerReport(
        _workloads(activity), pair_agreement(labels), golden_accuracy(answers, truth)
    )


def _load_undisputed_answers(
    connection: Connection, *, since: datetime, until: datetime
) -> list[AnsweredPhoto]:
    """Without answers that may be right where the golden label is wrong."""
    answers = load_golden_answers(connection, since=since, until=until)
    contents = list({answer.content_sha256 for answer in answers})
    opinions = load_opinions(connection, contents, as_of=until)
    return [a for a in answers if not GoldenLabel(a.truth, opinions[a.content_sha256]).is_disputed]


def pair_agreement(labels: Iterable[GivenLabel]) -> list[PairAgreement]:
    """Each pair of reviewers with photos in common, by name; a reviewer's last label counts."""
    by_reviewer = _last_labels(labels)
    pairs = []
    for first, second in combinations(sorted(by_reviewer), 2):
        ours, theirs = by_reviewer[first], by_reviewer[second]
        both = [(ours[photo], theirs[photo]) for photo in ours if photo in theirs]
        if both:
            agreement = sum(one == other for one, other in both) / len(both)
            pairs.append(PairAgreement(first, second, len(both), agreement, cohens_kappa(both)))
    return pairs


def cohens_kappa(labels: Sequence[tuple[str, str]]) -> float | None:
    """Agreement of two reviewers beyond chance (Cohen 1960): (observed - chance) / (1 - chance).

    `labels` has one pair per photo and is not empty. None where chance agreement is 1: both gave
    the same label to all photos.
    """
    photos = len(labels)
    agreed = sum(first == second for first, second in labels)
    firsts, seconds = (Counter(side) for side in zip(*labels, strict=True))
    # In integers, so that comparing chance agreement with 1 is exact.
    chance = sum(firsts[label] * seconds[label] for label in firsts)
    if chance == photos**2:
        return None
    return (agreed * photos - chance) / (photos**2 - chance)


def golden_accuracy(
    labels: Iterable[GivenLabel | AnsweredPhoto], truth: Mapping[str, str]
) -> list[ReviewerAccuracy]:
    """Each reviewer against the golden labels, by name; a reviewer's last label counts.

    `truth` maps the content hashes of the golden photos to labels; other photos are ignored.
    """
    return [
        _accuracy(reviewer, [(truth[p], label) for p, label in own.items() if p in truth], truth)
        for reviewer, own in sorted(_last_labels(labels).items())
    ]


def _last_labels(labels: Iterable[GivenLabel | AnsweredPhoto]) -> dict[str, dict[str, str]]:
    """Reviewer -> content hash -> label."""
    last: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for label in labels:
        last[label.reviewer][label.content_sha256] = label.label
    return last


def _accuracy(
    reviewer: str, labels: Sequence[tuple[str, str]], truth: Mapping[str, str]
) -> ReviewerAccuracy:
    """From pairs of the true label and the reviewer's."""
    photos = Counter(true for true, _ in labels)
    right = Counter(label for true, label in labels if true == label)
    names = sorted({*truth.values(), *(label for _, label in labels)})
    classes = {name: ClassAccuracy(photos[name], right[name]) for name in names}
    return ReviewerAccuracy(reviewer, len(labels), right.total(), classes)


def _workloads(activity: Iterable[DailyActivity]) -> list[Workload]:
    days: defaultdict[str, dict[date, int]] = defaultdict(dict)
    undone, steps, seconds = Counter[str](), Counter[str](), defaultdict[str, float](float)
    for daily in activity:
        if daily.action == "undo":
            undone[daily.actor] += daily.times
            continue
        days[daily.actor][daily.day] = daily.times
        steps[daily.actor] += daily.steps
        seconds[daily.actor] += daily.seconds
    return [
        Workload(
            reviewer=reviewer,
            decisions=sum(days[reviewer].values()),
            undone=undone[reviewer],
            an_hour=3600 * steps[reviewer] / seconds[reviewer] if seconds[reviewer] else None,
            days=dict(days[reviewer]),
        )
        for reviewer in sorted({*days, *undone})
    ]
