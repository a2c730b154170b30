import pytest

from ml.review.task_view import category_of, is_blinded, likeliest_violation
from tests.support.policies import policy

POLICY = policy(ad=None, qr=None)
SCORES = {"normal": 0.5, "ad": 0.2, "qr": 0.3}


@pytest.mark.parametrize(
    ("reasons", "category"),
    [
        (("violation:ad",), "ad"),
        (("appeal", "block:qr"), "qr"),
        (("label_issue:normal",), "normal"),
        (("low_confidence",), "qr"),
        (("screen:ad", "violation:"), "qr"),
        ((), "qr"),
    ],
)
def test_the_class_that_a_reason_names_else_the_likeliest(
    reasons: tuple[str, ...], category: str
) -> None:
    assert category_of(reasons, SCORES, POLICY) == category


def test_without_scores_nothing_is_likeliest() -> None:
    assert category_of(("low_confidence",), None, POLICY) is None
    assert likeliest_violation({"normal": 1.0, "dropped": 0.4}, POLICY) is None


@pytest.mark.parametrize(
    ("kind", "route", "hidden"),
    [
        ("verdict", None, False),
        ("second_review", "second_review", False),
        ("verdict", "spot_check", True),
        ("blind", None, True),
        ("golden", None, True),
    ],
)
def test_which_tasks_are_decided_unaware(kind: str, route: str | None, *, hidden: bool) -> None:
    assert is_blinded(kind, route) is hidden
