from datetime import UTC, datetime, timedelta

import pytest

from ml.core.manifest import Confirmation
from ml.policy.golden_labels import GoldenLabel, Opinion

DAY = timedelta(days=1)
START = datetime(2026, 10, 1, tzinfo=UTC)
WEEK = 7 * DAY


def vote(reviewer: str, label: str = "violate", day: int = 0) -> Opinion:
    return Opinion(reviewer, label, START + day * DAY)


def imported(day: int = 0) -> Opinion:
    return Opinion("import", "violate", START + day * DAY, is_imported=True)


def answer(reviewer: str, label: str = "violate", day: int = 8) -> Opinion:
    return Opinion(reviewer, label, START + day * DAY, is_blind=True)


def confirmation(*opinions: Opinion) -> Confirmation:
    return GoldenLabel("violate", opinions).find_confirmation(WEEK)


@pytest.mark.parametrize(
    ("opinions", "expected"),
    [
        ([vote("ann")], "one_look"),
        ([vote("ann"), vote("bob")], "two_reviewers"),
        ([vote("ann"), vote("ann", day=9)], "one_look"),
        ([vote("ann", "normal"), vote("bob")], "one_look"),  # the label of the later one
        ([vote("ann", "normal"), vote("bob"), vote("eve")], "two_reviewers"),
        ([imported()], "imported"),
        ([imported(), Opinion("other", "violate", START, is_imported=True)], "imported"),
        ([imported(), vote("ann")], "one_look"),
    ],
)
def test_votes_of_two_reviewers_confirm_a_label(opinions: list[Opinion], expected: str) -> None:
    assert confirmation(*opinions) == expected


@pytest.mark.parametrize("first", [vote("ann"), imported()])
@pytest.mark.parametrize("reviewer", ["ann", "bob"])
def test_blind_answer_confirms_a_label_after_some_days(first: Opinion, reviewer: str) -> None:
    unconfirmed = confirmation(first)
    assert confirmation(first, answer(reviewer, day=6)) == unconfirmed
    assert confirmation(first, answer(reviewer, day=7)) == "second_look"
    # The days count from the last vote for the label.
    later = vote("ann", day=5)
    assert confirmation(first, later, answer(reviewer, day=8)) == "one_look"
    assert confirmation(first, later, answer(reviewer, day=12)) == "second_look"


@pytest.mark.parametrize(
    "opinions",
    [
        [vote("ann"), answer("ann", "normal", day=1)],
        [vote("ann"), answer("bob", "normal")],
        [imported(), answer("ann", "normal")],
        [vote("ann"), answer("ann"), answer("bob", "normal", day=20)],
        [vote("ann"), answer("ann"), answer("ann", "normal", day=20)],
        [vote("ann"), vote("bob"), answer("ann", "normal"), answer("eve", "normal")],
        [vote("ann"), vote("bob"), answer("ann", "normal")],
        [vote("ann"), vote("ann", "normal", day=1)],  # decided otherwise since
        [vote("ann"), vote("bob", "normal", day=1), vote("eve", "normal", day=1)],  # outvoted
        [vote("ann"), vote("bob", "normal", day=1)],  # a tie, which the later vote decides
    ],
)
def test_label_without_a_majority_of_latest_opinions_is_disputed(opinions: list[Opinion]) -> None:
    assert confirmation(*opinions) == "disputed"
    assert GoldenLabel("violate", opinions).is_disputed


def test_one_answer_does_not_dispute_the_label_of_two_reviewers() -> None:
    assert confirmation(vote("ann"), vote("bob"), answer("eve", "normal")) == "two_reviewers"


def test_decision_after_the_answers_settles_the_dispute() -> None:
    disputed = [vote("ann"), answer("bob", "normal")]
    assert confirmation(*disputed, vote("eve", day=9)) == "two_reviewers"
    assert confirmation(*disputed, vote("ann", day=9)) == "one_look"
    other = GoldenLabel("normal", [*disputed, vote("bob", "normal", day=9)])
    assert other.find_confirmation(WEEK) == "one_look"


def test_second_look_is_needed_where_an_answer_would_confirm() -> None:
    def is_needed(*opinions: Opinion, day: int = 7) -> bool:
        now = START + day * DAY
        return GoldenLabel("violate", opinions).needs_second_look(WEEK, now=now)

    assert is_needed(vote("ann"))
    assert is_needed(imported())
    assert not is_needed(vote("ann"), day=6)
    assert not is_needed(vote("ann"), vote("bob"))
    assert not is_needed(vote("ann"), answer("ann", day=7), day=9)
    assert not is_needed(vote("ann"), answer("ann", "normal"), day=9)


def test_photo_without_opinions_has_one_look() -> None:
    assert confirmation() == "one_look"
    assert confirmation(answer("ann")) == "second_look"
