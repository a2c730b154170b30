from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.core.errors import TrainingError
from ml.models.training.split import split


@settings(deadline=None, max_examples=40)
@given(
    groups=st.lists(st.integers(0, 60), min_size=60, max_size=150),
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_split_assigns_each_photo_once_and_divides_no_group(
    groups: list[int], seed: int, share: float
) -> None:
    groups = [*groups, *range(100, 140)]  # enough unlike photos of both classes
    labels = ["violate" if g % 4 == 0 else "normal" for g in groups]
    train, validation = split(labels, labels, groups, share=share, seed=seed)
    assert sorted([*train, *validation]) == list(range(len(groups)))
    assert not {groups[i] for i in train} & {groups[i] for i in validation}
    for side in (train, validation):
        assert {labels[i] for i in side} == {"normal", "violate"}


def test_split_preserves_the_shares_of_classes_and_categories() -> None:
    labels = ["normal"] * 800 + ["violate"] * 200
    categories = [""] * 800 + ["qr"] * 150 + ["weapon"] * 50
    _, validation = split(labels, categories, list(range(1000)), share=0.2, seed=0)
    actual = Counter((labels[i], categories[i]) for i in validation)
    assert actual == {("normal", ""): 160, ("violate", "qr"): 30, ("violate", "weapon"): 10}


def test_split_merges_a_rare_category_into_its_class() -> None:
    labels = ["normal"] * 80 + ["violate"] * 20
    categories = [""] * 80 + ["qr"] * 18 + ["odd", "one"]
    _, validation = split(labels, categories, list(range(100)), share=0.2, seed=0)
    assert Counter(labels[i] for i in validation) == {"normal": 16, "violate": 4}


def test_split_is_determined_by_the_seed() -> None:
    labels = ["normal", "violate"] * 50
    first, again, other = (
        split(labels, labels, list(range(100)), share=0.2, seed=s)[1] for s in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_split_rejects_a_class_with_too_few_distinct_photos() -> None:
    labels = ["normal"] * 50 + ["violate"] * 50
    groups = [*range(50), *([99] * 46), 100, 101, 102, 103]
    split(labels, labels, groups, share=0.2, seed=0)  # 5 unlike ones are just enough
    with pytest.raises(TrainingError, match=r"`violate` has 4 photos.*at least 5"):
        split(labels, labels, [min(g, 102) for g in groups], share=0.2, seed=0)
