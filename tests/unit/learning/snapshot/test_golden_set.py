from dataclasses import replace

import pytest

from ml.core.manifest import GoldenSet
from ml.learning.snapshot.golden_set import choose_golden, next_free_name, next_version
from tests.unit.learning.retrain.unplaced import content, unplaced

NO_HASHES: set[str] = set()


def test_first_golden_set_has_the_share_of_each_class() -> None:
    photos = [*(unplaced(n) for n in range(80)), *(unplaced(n, "violate") for n in range(80, 100))]
    chosen = choose_golden(
        photos, before=NO_HASHES, trained_on=NO_HASHES, share=0.2, max_photos=99, seed=0
    )
    assert len(chosen.golden & content(*range(80))) == 16
    assert len(chosen.golden & content(*range(80, 100))) == 4
    assert chosen.near_golden == set()


def test_golden_set_grows_by_groups_without_training_photos() -> None:
    photos = [unplaced(n, group=n // 2) for n in range(100)]
    learnt = content(*range(0, 50, 2))  # one of two in each of the first 25 groups
    chosen = choose_golden(
        photos, before=NO_HASHES, trained_on=learnt, share=0.2, max_photos=99, seed=0
    )
    assert chosen.golden <= content(*range(50, 100))
    assert len(chosen.golden) == 10  # of the 50 that are left
    assert chosen.near_golden == set()


@pytest.mark.parametrize(("max_photos", "expected"), [(15, 15), (12, 12), (10, 10), (3, 10)])
def test_golden_set_grows_up_to_its_number_and_never_shrinks(
    max_photos: int, expected: int
) -> None:
    chosen = choose_golden(
        [unplaced(n) for n in range(100)],
        before=content(*range(10)),
        trained_on=NO_HASHES,
        share=0.2,
        max_photos=max_photos,
        seed=0,
    )
    assert len(chosen.golden) == expected


def test_previous_golden_set_stays_complete() -> None:
    photos = [unplaced(n) for n in range(20)]
    before = content(*range(10))
    chosen = choose_golden(
        photos, before=before, trained_on=content(0), share=0.2, max_photos=99, seed=0
    )
    assert before <= chosen.golden
    assert len(chosen.golden) == 12
    assert chosen.near_golden == set()


def test_photo_in_a_golden_group_is_golden_or_excluded() -> None:
    photos = [
        unplaced(0, group=0), unplaced(1, group=0),  # 0 golden, 1 never seen
        unplaced(2, group=2), unplaced(3, group=2), unplaced(4, group=2),  # 2 golden, 3 learnt
        *(unplaced(n) for n in range(5, 7)),
    ]  # fmt: skip
    chosen = choose_golden(
        photos, before=content(0, 2), trained_on=content(3), share=0.001, max_photos=99, seed=0
    )
    assert chosen.golden == content(0, 1, 2)
    assert chosen.near_golden == content(3, 4)


def test_relabeled_photo_stays_golden_with_the_new_label() -> None:
    photos = [unplaced(1), unplaced(0)]
    first = next_version(None, photos, name="golden-2026-10")
    relabelled = [replace(photos[0], label="violate"), photos[1], unplaced(2)]
    second = next_version(first, relabelled, name="golden-2026-11")
    assert [(p.label, p.added_in) for p in first.photos] == [("normal", "golden-2026-10")] * 2
    assert [(p.label, p.added_in) for p in second.photos] == [
        ("normal", "golden-2026-10"),
        ("violate", "golden-2026-10"),
        ("normal", "golden-2026-11"),
    ]
    assert second.parent_hash == first.golden_hash


def version(name: str) -> GoldenSet:
    return next_version(None, [unplaced(0)], name=name)


def test_used_name_is_numbered_unless_the_set_is_equal() -> None:
    mine = version("g").golden_hash
    assert next_free_name("g", {}, version).name == "g"
    assert next_free_name("g", {"g": mine}, version).name == "g"
    assert next_free_name("g", {"g": "other"}, version).name == "g-2"
    assert next_free_name("g", {"g": "other", "g-2": "third"}, version).name == "g-3"
