from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.errors import TrainingError
from ml.training.split import split


@settings(deadline=None, max_examples=40)
@given(
    groups=st.lists(st.integers(0, 60), min_size=60, max_size=150),
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_every_photo_once_and_no_group_on_both_sides(
    groups: list[int], seed: int, share: float
) -> None:
    groups = [*groups, *range(100, 140)]  # enough unlike photos of both classes
    labels = ["violate" if g % 4 == 0 else "normal" for g in groups]
    train, validation = split(labels, labels, groups, share=share, seed=seed)
    assert sorted([*train, *validation]) == list(range(len(groups)))
    assert not {groups[i] for i in train} & {groups[i] for i in validation}
    for side in (train, validation):
        assert {labels[i] for i in side} == {"normal", "violate"}


def test_class_and_category_keep_their_shares() -> None:
    labels = ["normal"] * 800 + ["violate"] * 200
    categories = [""] * 800 + ["qr"] * 150 + ["weapon"] * 50
    _, validation = split(labels, categories, list(range(1000)), share=0.2, seed=0)
    found = Counter((labels[i], categories[i]) for i in validation)
    assert found == {("normal", ""): 160, ("violate", "qr"): 30, ("violate", "weapon"): 10}


def test_a_rare_category_is_counted_with_its_class() -> None:
    labels = ["normal"] * 80 + ["violate"] * 20
    categories = [""] * 80 + ["qr"] * 18 + ["odd", "one"]
    _, validation = split(labels, categories, list(range(100)), share=0.2, seed=0)
    assert Counter(labels[i] for i in validation) == {"normal": 16, "violate": 4}


def test_the_seed_decides() -> None:
    labels = ["normal", "violate"] * 50
    first, again, other = (
        split(labels, labels, list(range(100)), share=0.2, seed=s)[1] for s in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_of_near_identical_photos_is_refused() -> None:
    labels = ["normal"] * 50 + ["violate"] * 50
    groups = [*range(50), *([99] * 46), 100, 101, 102, 103]
    split(labels, labels, groups, share=0.2, seed=0)  # 5 unlike ones are just enough
    with pytest.raises(TrainingError, match=r"`violate` has 4 photos.*at least 5"):
        split(labels, labels, [min(g, 102) for g in groups], share=0.2, seed=0)
