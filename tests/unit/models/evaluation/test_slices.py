import numpy as np
import pytest

from ml.models.evaluation.slices import SliceScores, brightness_name, size_name, slice_table

YES, NO = True, False


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [(299, 4000, "small"), (4000, 300, "medium"), (799, 900, "medium"), (800, 800, "large")],
)
def test_size_name_follows_the_short_side(width: int, height: int, name: str) -> None:
    assert size_name(width, height) == name


@pytest.mark.parametrize(
    ("luma", "name"),
    [(0, "dark"), (84.9, "dark"), (85, "middle"), (169.9, "middle"), (170, "bright")],
)
def test_brightness_name_has_fixed_limits(luma: float, name: str) -> None:
    assert brightness_name(luma) == name


def test_slice_table_computes_each_slice_separately() -> None:
    table = slice_table(
        {"route": ["a", "a", "b", "b"], "new_class": [None, None, None, "weapon"]},
        violation=np.array([NO, YES, YES, YES]),
        candidate=SliceScores(np.array([YES, NO, YES, YES]), np.array([YES, YES, NO, NO])),
        champion=SliceScores(np.array([YES, YES, NO, NO]), np.array([YES, NO, NO, YES])),
    )
    assert table["route"] == {
        "a": {
            "photos": 2,
            "candidate_accuracy": 0.5, "champion_accuracy": 1.0,
            "candidate_caught": 0.0, "champion_caught": 1.0,
        },
        "b": {
            "photos": 2,
            "candidate_accuracy": 1.0, "champion_accuracy": 0.0,
            "candidate_caught": 1.0, "champion_caught": 0.5,
        },
    }  # fmt: skip
    assert list(table["new_class"]) == ["weapon"]
    assert table["new_class"]["weapon"]["photos"] == 1


def test_slice_table_is_none_without_champion_or_violations() -> None:
    flags = np.array([YES])
    table = slice_table(
        {"route": ["a"]},
        violation=np.array([NO]),
        candidate=SliceScores(flags, flags),
        champion=None,
    )
    assert table["route"]["a"] == {
        "photos": 1,
        "candidate_accuracy": 1.0, "champion_accuracy": None,
        "candidate_caught": None, "champion_caught": None,
    }  # fmt: skip
