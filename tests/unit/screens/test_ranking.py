"""The budget goes to the highest likelihoods of those seen so far."""

import random

from ml.screens.budget import Budget
from ml.screens.ranking import Ranking


class Clock:
    """Seconds that stand still until told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The moment."""
        return self.now


def shard(
    photos: int, *, share: float, seconds: float, gap: float, top: float = 1.0
) -> tuple[list[float], Budget]:
    """Photos in a shuffled order, one each `gap` seconds; which were read, and the purse.

    Likelihoods are even over 0..1; what lies over `top` is all the same.
    """
    clock = Clock()
    budget = Budget(0.0, share=share, clock=clock)
    ranking = Ranking(budget)
    likelihoods = [min(n / photos, top) for n in range(photos)]
    random.Random(7).shuffle(likelihoods)  # noqa: S311 - any order will do
    read = []
    for likelihood in likelihoods:
        clock.now += gap
        if ranking.takes(likelihood):
            budget.spend(seconds)
            ranking.took(seconds)
            read.append(likelihood)
    return read, budget


def test_the_likeliest_are_read_and_the_budget_is_kept() -> None:
    read, budget = shard(2000, share=0.2, seconds=0.25, gap=0.1)  # pays for 160 of 2000
    assert budget.left >= -0.25
    assert 120 <= len(read) <= 160
    assert sum(likelihood > 0.85 for likelihood in read) > 0.8 * len(read)


def test_many_at_the_top_of_the_measure_share_the_budget() -> None:
    read, budget = shard(2000, share=0.2, seconds=0.25, gap=0.1, top=0.6)
    assert budget.left >= -0.25
    assert 140 <= len(read) <= 160
    assert set(read) == {0.6}


def test_a_budget_for_all_reads_all_but_the_first_ones() -> None:
    read, budget = shard(200, share=1.0, seconds=0.05, gap=0.5)
    assert len(read) >= 199
    assert budget.left > 0


def test_no_budget_reads_nothing() -> None:
    read, _ = shard(50, share=0.0, seconds=0.1, gap=1.0)
    assert read == []


def test_a_purse_earns_by_the_clock() -> None:
    clock = Clock()
    budget = Budget(1.0, share=0.5, clock=clock)
    clock.now = 4.0
    assert budget.earned == 3.0
    budget.spend(3.5)
    assert budget.left == -0.5
    assert budget.spent
