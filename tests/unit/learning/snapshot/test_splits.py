from collections import Counter
from datetime import UTC, datetime

import pytest

from ml.core.errors import TrainingError
from ml.core.manifest import LabelledPhoto, Manifest, Split
from ml.learning.snapshot.splits import (
    FOLDS,
    assign_folds,
    check_classes,
    group_photos,
    select_samples,
    stratified_group_split,
)
from ml.policy.retraining import LabelIssuePolicy
from ml.storage.label_issues import LabelIssue
from ml.storage.photo_archive import ArchivedPhoto
from ml.vision.images.fingerprint import MIN_QUALITY
from tests.unit.learning.retrain.unplaced import unplaced

SHARES = {0: 0.65, 1: 0.15, 2: 0.2}


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
    assert Counter(stratified_group_split(photos, SHARES, seed=0).values()) == {0: 65, 1: 15, 2: 20}


@pytest.mark.parametrize(("photos", "parts"), [(1, 1), (4, 3)])
def test_small_class_reaches_the_largest_part_first_and_soon_every_one(
    photos: int, parts: int
) -> None:
    dealt = stratified_group_split([unplaced(n) for n in range(photos)], SHARES, seed=3).values()
    assert 0 in dealt
    assert len(set(dealt)) == parts


def test_single_photos_balance_large_groups() -> None:
    photos = [unplaced(n, group=min(n // 30, 3) if n < 90 else n + 10) for n in range(200)]
    parts = stratified_group_split(photos, SHARES, seed=0)
    assert all(len({parts[f"{n:064x}"] for n in range(s, s + 30)}) == 1 for s in (0, 30, 60))
    assert abs(Counter(parts.values())[0] - 130) <= 1


def test_seed_selects_the_split() -> None:
    photos = [unplaced(n) for n in range(100)]
    first, again, other = (stratified_group_split(photos, SHARES, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_folds_have_the_same_share_of_each_class_and_keep_groups_together() -> None:
    photos = [
        *(unplaced(n) for n in range(60)),
        *(unplaced(n, "violate", group=n // 2) for n in range(200, 260)),
    ]
    folds = assign_folds(photos, seed=0)
    assert set(folds.values()) == set(range(FOLDS))
    found = Counter((p.label, folds[p.content_sha256]) for p in photos)
    assert set(found.values()) == {10}
    groups = {(p.group, folds[p.content_sha256]) for p in photos}
    assert len(groups) == len({p.group for p in photos})


def test_error_names_classes_that_cannot_be_held_out() -> None:
    photos = [("normal", 0), ("normal", 1), ("violate", 2), ("violate", 2)]
    with pytest.raises(TrainingError, match=r"few photos of violate to train on .*: label more"):
        check_classes(photos, ["normal", "violate"], remedy="label more")
    check_classes(photos, ["normal"], remedy="label more")


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
        fold=None if part is Split.GOLDEN else number % FOLDS,
    )


PHOTOS = (
    _photo(1, Split.TRAIN),
    _photo(2, Split.TRAIN, weight=10.0),
    _photo(3, Split.TRAIN, weight=10.0),
    _photo(4, Split.TRAIN),
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
    assert _weights({}) == {1: 1.0, 2: 10.0, 3: 10.0, 4: 1.0}


@pytest.mark.parametrize(
    ("treatment", "expected"),
    [
        ({"action": "exclude"}, {1: 1.0, 2: 0.0, 3: 10.0, 4: 0.0}),
        ({"action": "down_weight", "weight": 0.3}, {1: 1.0, 2: 3.0, 3: 10.0, 4: 0.3}),
        ({"action": "keep"}, {1: 1.0, 2: 10.0, 3: 10.0, 4: 1.0}),
    ],
    ids=lambda value: value.get("action"),
)
def test_label_issues_are_treated_as_the_policy_says(
    treatment: dict[str, object], expected: dict[int, float]
) -> None:
    assert _weights(_issues(2, 4, 6), **treatment) == pytest.approx(expected)


def test_issue_of_another_label_of_the_photo_is_ignored() -> None:
    assert _weights(_issues(2, label="violate"), action="exclude")[2] == 10.0


def test_snapshot_of_an_earlier_release_has_no_folds() -> None:
    old = [photo.model_copy(update={"fold": None}) for photo in PHOTOS]
    with pytest.raises(TrainingError, match="trigger a new run"):
        select_samples(MANIFEST.model_copy(update={"photos": old}), {}, LabelIssuePolicy())


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
