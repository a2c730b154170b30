import pytest

from ml.review.unaware import is_hidden


@pytest.mark.parametrize(
    ("kind", "route", "hidden"),
    [
        ("verdict", None, False),
        ("second_review", "second_review", False),
        ("verdict", "random_audit", True),
        ("blind", None, True),
        ("golden", None, True),
    ],
)
def test_which_tasks_are_decided_unaware(kind: str, route: str | None, *, hidden: bool) -> None:
    assert is_hidden(kind, route) is hidden
