from collections import Counter

import pytest
from pydantic import ValidationError

from ml.core.errors import TrainingError
from ml.core.manifest import Split
from ml.learning.snapshot.splits import (
    assign_splits,
    check_splits,
    stratified_group_split,
    strictest_split,
)
from ml.policy.retraining import Retraining
from tests.unit.learning.retrain.unplaced import content, unplaced

POLICY = Retraining(validation_share=0.15, calibration_share=0.2)
SHARES = {Split.TRAIN: 0.65, Split.VALIDATION: 0.15, Split.CALIBRATION: 0.2}


def test_class_and_category_keep_the_shares() -> None:
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


def test_single_photos_of_many_categories_do_not_all_go_to_one_side() -> None:
    photos = [unplaced(n, category=f"category {n}") for n in range(100)]
    assert Counter(stratified_group_split(photos, SHARES, seed=0).values()) == {
        Split.TRAIN: 65,
        Split.VALIDATION: 15,
        Split.CALIBRATION: 20,
    }


@pytest.mark.parametrize(("photos", "parts"), [(1, 1), (4, 3)])
def test_a_tiny_class_reaches_train_first_and_soon_every_part(photos: int, parts: int) -> None:
    dealt = stratified_group_split([unplaced(n) for n in range(photos)], SHARES, seed=3).values()
    assert Split.TRAIN in dealt
    assert len(set(dealt)) == parts


def test_large_groups_are_evened_out_by_single_photos() -> None:
    photos = [unplaced(n, group=min(n // 30, 3) if n < 90 else n + 10) for n in range(200)]
    parts = stratified_group_split(photos, SHARES, seed=0)
    assert all(len({parts[f"{n:064x}"] for n in range(s, s + 30)}) == 1 for s in (0, 30, 60))
    assert abs(Counter(parts.values())[Split.TRAIN] - 130) <= 1


def test_the_seed_decides() -> None:
    photos = [unplaced(n) for n in range(100)]
    first, again, other = (stratified_group_split(photos, SHARES, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_where_a_photo_was_it_stays_with_its_whole_group() -> None:
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
    # What was there before takes nothing from the shares of the new.
    assert Counter(placed[f"{n:064x}"] for n in range(10, 110))[Split.CALIBRATION] == 20


def test_what_was_trained_on_once_counts_as_trained_on() -> None:
    assert strictest_split([Split.CALIBRATION, Split.TRAIN, Split.VALIDATION]) is Split.TRAIN
    assert strictest_split([Split.CALIBRATION, Split.VALIDATION]) is Split.VALIDATION


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match="nothing is left to train on"):
        Retraining(validation_share=0.5, calibration_share=0.5)


def test_a_class_without_training_photos_is_named() -> None:
    photos = [unplaced(0), unplaced(1, "violate"), unplaced(2), unplaced(3)]
    parts = dict(zip([p.content_sha256 for p in photos], Split, strict=True))
    with pytest.raises(TrainingError, match="photo of violate is left to train on"):
        check_splits(photos, parts, ["normal", "violate"])
    check_splits(photos, parts, ["normal"])


def test_an_empty_part_is_named() -> None:
    photos = [unplaced(0), unplaced(1), unplaced(2)]
    parts = dict(zip([p.content_sha256 for p in photos], list(Split)[:3], strict=True))
    with pytest.raises(TrainingError, match="left for `golden`"):
        check_splits(photos, parts, ["normal"])
