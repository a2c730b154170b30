from collections import Counter
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from ml.core.errors import TrainingError
from ml.core.manifest import LabelledPhoto, Manifest, Split
from ml.learning.snapshot.splits import (
    assign_splits,
    check_splits,
    group_photos,
    select_samples,
    stratified_group_split,
    strictest_split,
)
from ml.policy.retraining import LabelIssuePolicy, Retraining
from ml.storage.label_issues import LabelIssue
from ml.storage.photo_archive import ArchivedPhoto
from ml.vision.images.fingerprint import MIN_QUALITY
from tests.unit.learning.retrain.unplaced import content, unplaced

POLICY = Retraining(validation_share=0.15, calibration_share=0.2)
SHARES = {Split.TRAIN: 0.65, Split.VALIDATION: 0.15, Split.CALIBRATION: 0.2}


def test_split_keeps_the_shares_of_class_and_category() -> None:
    photos = [
        *(unplaced(n) for n in range(800)),
        *(unplaced(n, "violate", category="qr") for n in range(800, 940)),
        *(unplaced(n, "violate", category="weapon") for n in range(940, 1000)),
    ]
    parts = stratified_group_split(photos, SHARES, seed=0)
    found = Counter((p.category, parts[p.content_sha256]) for p in photos)
    for category, photos_of_it in ((None, 800), ("qr", 140), ("weapon", 60)):
        for part, share in SHARES.items():
            assert abs(found[category, part] - share * photos_of_it) <= 1.5


def test_single_photos_of_many_categories_are_split_by_the_shares() -> None:
    photos = [unplaced(n, category=f"category {n}") for n in range(100)]
    assert Counter(stratified_group_split(photos, SHARES, seed=0).values()) == {
        Split.TRAIN: 65,
        Split.VALIDATION: 15,
        Split.CALIBRATION: 20,
    }


@pytest.mark.parametrize(("photos", "parts"), [(1, 1), (4, 3)])
def test_small_class_reaches_train_first_and_soon_every_split(photos: int, parts: int) -> None:
    dealt = stratified_group_split([unplaced(n) for n in range(photos)], SHARES, seed=3).values()
    assert Split.TRAIN in dealt
    assert len(set(dealt)) == parts


def test_single_photos_balance_large_groups() -> None:
    photos = [unplaced(n, group=min(n // 30, 3) if n < 90 else n + 10) for n in range(200)]
    parts = stratified_group_split(photos, SHARES, seed=0)
    assert all(len({parts[f"{n:064x}"] for n in range(s, s + 30)}) == 1 for s in (0, 30, 60))
    assert abs(Counter(parts.values())[Split.TRAIN] - 130) <= 1


def test_seed_selects_the_split() -> None:
    photos = [unplaced(n) for n in range(100)]
    first, again, other = (stratified_group_split(photos, SHARES, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_photo_stays_in_its_earlier_split_with_its_group() -> None:
    photos = [
        *(unplaced(n, group=0) for n in (0, 1, 2)),
        *(unplaced(n, group=1) for n in (3, 4)),
        unplaced(5),
        *(unplaced(n) for n in range(10, 110)),
    ]
    were = (Split.CALIBRATION, Split.TRAIN, Split.VALIDATION)
    earlier = dict(zip(sorted(content(0, 1, 3)), were, strict=True))
    earlier |= dict.fromkeys(content(5), Split.CALIBRATION)
    placed = assign_splits(photos, earlier, policy=POLICY, seed=0)
    assert {placed[c] for c in content(0, 1, 2)} == {Split.TRAIN}
    assert {placed[c] for c in content(3, 4)} == {Split.VALIDATION}
    assert {placed[c] for c in content(5)} == {Split.CALIBRATION}
    # Photos with an earlier split do not count in the shares of the new ones.
    assert Counter(placed[f"{n:064x}"] for n in range(10, 110))[Split.CALIBRATION] == 20


def test_strictest_split_is_the_one_closest_to_training() -> None:
    assert strictest_split([Split.CALIBRATION, Split.TRAIN, Split.VALIDATION]) is Split.TRAIN
    assert strictest_split([Split.CALIBRATION, Split.VALIDATION]) is Split.VALIDATION


def test_shares_that_leave_nothing_to_train_on_are_rejected() -> None:
    with pytest.raises(ValidationError, match="nothing is left to train on"):
        Retraining(validation_share=0.5, calibration_share=0.5)


def test_error_names_a_class_without_training_photos() -> None:
    photos = list(zip(("normal", "violate", "normal", "normal"), Split, strict=True))
    with pytest.raises(TrainingError, match="photo of violate is left to train on: label more"):
        check_splits(photos, ["normal", "violate"], remedy="label more")
    check_splits(photos, ["normal"], remedy="label more")


def test_error_names_an_empty_split() -> None:
    photos = [("normal", part) for part in Split if part is not Split.GOLDEN]
    with pytest.raises(TrainingError, match="left for golden: label more"):
        check_splits(photos, ["normal"], remedy="label more")
    required = [part for _, part in photos]
    check_splits(photos, ["normal"], remedy="label more", required=required)


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


def _issues(*numbers: int, label: str = "normal") -> dict[str, LabelIssue]:
    return {_hash(n): LabelIssue(_hash(n), label, "violate", 0.1) for n in numbers}


def _weights(issues: dict[str, LabelIssue], **treatment: object) -> dict[int, float]:
    found = select_samples(MANIFEST, issues, LabelIssuePolicy.model_validate(treatment))
    return {sample.photo.group: sample.weight for sample in found}


def test_without_label_issues_all_but_golden_photos_keep_their_weight() -> None:
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
def test_label_issues_are_treated_as_the_policy_says(
    treatment: dict[str, object], expected: dict[int, float]
) -> None:
    assert _weights(_issues(2, 4, 5, 6), **treatment) == pytest.approx(expected)


def test_issue_of_another_label_of_the_photo_is_ignored() -> None:
    assert 2 in _weights(_issues(2, label="violate"), action="exclude")


ALL, NONE = "f" * 64, "0" * 64
NEAR_ALL = "f" * 60 + "0000"  # 16 bits from ALL
HALF = "f" * 32 + "0" * 32


def row(pdq: str, review: str | None, quality: int = 100) -> ArchivedPhoto:
    return ArchivedPhoto("c", "key", review, 1, 64, 64, pdq, quality)


def test_near_duplicates_and_photos_of_one_review_are_one_group() -> None:
    rows = [row(ALL, "1"), row(NONE, "2"), row(NEAR_ALL, "3"), row(HALF, "2")]
    assert group_photos(rows) == [0, 1, 0, 1]


def test_chain_of_near_duplicates_and_reviews_is_one_group() -> None:
    rows = [row(ALL, "1"), row(HALF, "2"), row(NEAR_ALL, "2"), row(NONE, None)]
    assert group_photos(rows) == [0, 0, 0, 1]


def test_photos_without_review_or_structure_are_separate_groups() -> None:
    rows = [row(ALL, None, MIN_QUALITY), row(ALL, None, MIN_QUALITY), row(NONE, None)]
    assert group_photos(rows) == [0, 1, 2]


def test_no_photos_give_no_groups() -> None:
    assert group_photos([]) == []
