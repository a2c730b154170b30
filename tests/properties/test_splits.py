from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ml.learning.snapshot.golden_set import choose_golden
from ml.learning.snapshot.splits import (
    FOLDS,
    UnassignedPhoto,
    assign_folds,
    stratified_group_split,
)

SHARES = {0: 0.65, 1: 0.15, 2: 0.2}
PLACES = st.tuples(st.integers(0, 25), st.sampled_from("abc"), st.sampled_from(["", "x", "y"]))


def photos_of(places: list[tuple[int, str, str]]) -> list[UnassignedPhoto]:
    return [
        UnassignedPhoto(f"{n:064x}", label, category or None, "import", 1.0, group, new=True)
        for n, (group, label, category) in enumerate(places)
    ]


@given(st.lists(PLACES, max_size=80), st.integers(0, 2**31))
def test_every_photo_has_one_fold_and_groups_stay_together(
    places: list[tuple[int, str, str]], seed: int
) -> None:
    photos = photos_of(places)
    folds = assign_folds(photos, seed=seed)
    assert folds.keys() == {p.content_sha256 for p in photos}
    assert set(folds.values()) <= set(range(FOLDS))
    sides = {(p.group, folds[p.content_sha256]) for p in photos}
    assert len(sides) == len({p.group for p in photos})


@given(st.lists(st.sampled_from("abc"), max_size=80), st.integers(0, 2**31))
def test_splits_keep_the_shares_of_each_class(labels: list[str], seed: int) -> None:
    photos = photos_of([(n, label, "") for n, label in enumerate(labels)])
    parts = stratified_group_split(photos, SHARES, seed=seed)
    found = Counter((p.label, parts[p.content_sha256]) for p in photos)
    for label, total in Counter(labels).items():
        for part, share in SHARES.items():
            assert abs(found[label, part] - share * total) < 1


@given(
    st.lists(PLACES, max_size=80),
    st.sets(st.integers(0, 79)),
    st.sets(st.integers(0, 79)),
    st.integers(0, 2**31),
)
def test_no_group_is_in_both_training_and_evaluation(
    places: list[tuple[int, str, str]], before: set[int], trained_on: set[int], seed: int
) -> None:
    photos = photos_of(places)
    golden = {f"{n:064x}" for n in before}
    seen = {f"{n:064x}" for n in trained_on - before}
    chosen = choose_golden(
        photos, before=golden, trained_on=seen, share=0.2, max_photos=50, seed=seed
    )
    there = {p.content_sha256 for p in photos}
    assert golden & there <= chosen.golden <= there
    assert not chosen.golden & (chosen.near_golden | seen)
    measured = {p.group for p in photos if p.content_sha256 in chosen.golden}
    rest = there - chosen.golden - chosen.near_golden
    assert not measured & {p.group for p in photos if p.content_sha256 in rest}
