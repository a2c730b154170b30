from datetime import UTC, datetime

import pytest

from ml.core.manifest import LabelledPhoto, Manifest, Split
from ml.learning.snapshot.splits import select_samples
from ml.policy.retraining import LabelIssuePolicy
from ml.storage.label_issues import LabelIssue


def _hash(number: int) -> str:
    return f"{number:064x}"


def _photo(number: int, part: Split, weight: float = 1.0) -> LabelledPhoto:
    return LabelledPhoto(
        content_sha256=_hash(number),
        label="normal",
        category=None,
        route="import",
        weight=weight,
        group=number,
        new=True,
        part=part,
    )


PHOTOS = (
    _photo(1, Split.TRAIN),
    _photo(2, Split.TRAIN, weight=10.0),
    _photo(3, Split.TRAIN, weight=10.0),
    _photo(4, Split.VALIDATION),
    _photo(5, Split.CALIBRATION, weight=10.0),
    _photo(6, Split.GOLDEN),
)
MANIFEST = Manifest(
    as_of=datetime(2026, 1, 1, tzinfo=UTC),
    classes=("normal", "violate"),
    golden_hash="0" * 64,
    photos=PHOTOS,
    left_out=(),
)


def _doubts(*numbers: int, label: str = "normal") -> dict[str, LabelIssue]:
    return {_hash(n): LabelIssue(_hash(n), label, "violate", 0.1) for n in numbers}


def _weights(doubts: dict[str, LabelIssue], **treatment: object) -> dict[int, float]:
    found = select_samples(MANIFEST, doubts, LabelIssuePolicy.model_validate(treatment))
    return {lesson.photo.group: lesson.weight for lesson in found}


def test_without_doubts_all_but_golden_photos_are_used_at_their_weight() -> None:
    assert _weights({}) == {1: 1.0, 2: 10.0, 3: 10.0, 4: 1.0, 5: 10.0}


@pytest.mark.parametrize(
    ("treatment", "expected"),
    [
        ({"action": "exclude"}, {1: 1.0, 3: 10.0, 5: 10.0}),
        ({"action": "down_weight", "weight": 0.3}, {1: 1.0, 2: 3.0, 3: 10.0, 4: 0.3, 5: 10.0}),
        ({"action": "keep"}, {1: 1.0, 2: 10.0, 3: 10.0, 4: 1.0, 5: 10.0}),
    ],
    ids=lambda value: value.get("action"),
)
def test_doubted_labels_are_treated_as_the_policy_says(
    treatment: dict[str, object], expected: dict[int, float]
) -> None:
    assert _weights(_doubts(2, 4, 5, 6), **treatment) == pytest.approx(expected)


def test_a_doubt_about_another_label_of_the_photo_is_none() -> None:
    assert 2 in _weights(_doubts(2, label="violate"), action="exclude")
