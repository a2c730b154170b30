import math
from concurrent.futures import ThreadPoolExecutor

from ml.core.budget import Budget
from tests.support.manual_clock import ManualClock


def bucket(rate: float, capacity: float, clock: ManualClock | None = None) -> Budget:
    return Budget(capacity, rate=rate, capacity=capacity, clock=clock or ManualClock())


def test_budget_is_exhausted_when_all_is_spent() -> None:
    budget = Budget(1.0)
    assert not budget.exhausted
    budget.spend(1.0)
    assert budget.exhausted


def test_budget_of_zero_is_exhausted_from_the_start() -> None:
    assert Budget(0).exhausted


def test_spend_loses_nothing_between_threads() -> None:
    budget = Budget(1000.0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(budget.spend, [0.25] * 4000))
    assert budget.level == 0.0


def test_earned_and_level_grow_with_the_clock() -> None:
    clock = ManualClock()
    budget = Budget(1.0, rate=0.5, clock=clock)
    clock.now += 4.0
    assert budget.earned == 3.0
    budget.spend(3.5)
    assert budget.level == -0.5
    assert budget.exhausted


def test_level_never_refills_over_the_capacity() -> None:
    clock = ManualClock()
    budget = bucket(2.0, 3.0, clock)
    budget.spend(3.0)
    clock.now += 1.0
    assert budget.level == 2.0
    clock.now += 1000.0
    assert budget.level == 3.0


def test_take_one_returns_the_wait_when_the_budget_is_empty() -> None:
    budget = bucket(2.0, 3.0)
    assert [budget.take_one() for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_take_one_waits_until_a_debt_is_refilled() -> None:
    clock = ManualClock()
    budget = bucket(1.0, 5.0, clock)
    budget.spend(7.0)
    assert budget.take_one() == 3.0
    clock.now += 3.0
    assert budget.take_one() == 0.0


def test_take_one_waits_forever_without_a_rate() -> None:
    assert bucket(0.0, 0.0).take_one() == math.inf
