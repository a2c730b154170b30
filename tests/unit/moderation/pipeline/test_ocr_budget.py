"""The budget goes to the highest likelihoods of those seen so far."""

import random
import time

import pytest

from ml.core.budget import Budget
from ml.moderation.pipeline.ocr_budget import OcrCost, OcrScheduler, charge
from tests.support.manual_clock import ManualClock


def shard(
    photos: int, *, share: float, seconds: float, gap: float, top: float = 1.0
) -> tuple[list[float], Budget]:
    """Schedule photos in random order, one per `gap` seconds; return those read and the budget.

    Likelihoods are uniform over 0..1, limited to `top`.
    """
    clock = ManualClock()
    budget = Budget(0.0, rate=share, clock=clock)
    scheduler = OcrScheduler(budget)
    likelihoods = [min(n / photos, top) for n in range(photos)]
    random.Random(7).shuffle(likelihoods)  # noqa: S311 - any order works
    read = []
    for likelihood in likelihoods:
        clock.now += gap
        if scheduler.admits(likelihood):
            scheduler.add_cost(OcrCost(seconds, seconds, succeeded=True))
            read.append(likelihood)
    return read, budget


def test_scheduler_admits_the_likeliest_within_the_budget() -> None:
    read, budget = shard(2000, share=0.2, seconds=0.25, gap=0.1)  # pays for 160 of 2000
    assert budget.level >= -0.25
    assert 120 <= len(read) <= 160
    assert sum(likelihood > 0.85 for likelihood in read) > 0.8 * len(read)


def test_scheduler_admits_equal_likelihoods_within_the_budget() -> None:
    read, budget = shard(2000, share=0.2, seconds=0.25, gap=0.1, top=0.6)
    assert budget.level >= -0.25
    assert 140 <= len(read) <= 160
    assert set(read) == {0.6}


def test_scheduler_with_a_large_budget_admits_nearly_all() -> None:
    read, budget = shard(200, share=1.0, seconds=0.05, gap=0.5)
    assert len(read) >= 199
    assert budget.level > 0


def test_scheduler_without_a_budget_admits_none() -> None:
    read, _ = shard(50, share=0.0, seconds=0.1, gap=1.0)
    assert read == []


def test_charge_charges_cpu_time_and_not_sleep() -> None:
    scheduler = OcrScheduler(Budget(5.0))
    with charge(scheduler):
        time.sleep(0.05)
    assert scheduler.budget.level > 4.96
    with charge(scheduler):
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
    assert scheduler.budget.level < 4.96


def test_a_failure_is_charged_and_does_not_enter_the_mean_cost() -> None:
    scheduler = OcrScheduler(Budget(5.0), expected_seconds=1.0)
    with pytest.raises(ValueError, match="broken"), charge(scheduler):
        raise ValueError("broken")
    assert scheduler.budget.level < 5.0
    for _ in range(100):
        scheduler.add_cost(OcrCost(0.0, 0.0, succeeded=False))
    assert [scheduler.admits(0.9 - n / 10) for n in range(6)] == [True] * 5 + [False]
