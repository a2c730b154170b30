import numpy as np
import pytest

from ml.evaluation.slices import Judgement, brightness_name, size_name, slice_table

YES, NO = True, False


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [(299, 4000, "small"), (4000, 300, "medium"), (799, 900, "medium"), (800, 800, "large")],
)
def test_the_short_side_names_the_size(width: int, height: int, name: str) -> None:
    assert size_name(width, height) == name


@pytest.mark.parametrize(
    ("luma", "name"),
    [(0, "dark"), (84.9, "dark"), (85, "middle"), (169.9, "middle"), (170, "bright")],
)
def test_brightness_has_fixed_borders(luma: float, name: str) -> None:
    assert brightness_name(luma) == name


def test_each_slice_is_counted_on_its_own() -> None:
    table = slice_table(
        {"route": ["a", "a", "b", "b"], "new_class": [None, None, None, "weapon"]},
        violation=np.array([NO, YES, YES, YES]),
        candidate=Judgement(np.array([YES, NO, YES, YES]), np.array([YES, YES, NO, NO])),
        champion=Judgement(np.array([YES, YES, NO, NO]), np.array([YES, NO, NO, YES])),
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


def test_without_champion_or_violations_there_are_no_such_figures() -> None:
    flags = np.array([YES])
    table = slice_table(
        {"route": ["a"]},
        violation=np.array([NO]),
        candidate=Judgement(flags, flags),
        champion=None,
    )
    assert table["route"]["a"] == {
        "photos": 1,
        "candidate_accuracy": 1.0, "champion_accuracy": None,
        "candidate_caught": None, "champion_caught": None,
    }  # fmt: skip
