"""The purse of seconds."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.screens.budget import Budget


def test_it_is_spent_when_nothing_is_left() -> None:
    budget = Budget(1.0)
    assert not budget.spent
    budget.spend(1.0)
    assert budget.spent


def test_nothing_is_allowed_without_seconds() -> None:
    assert Budget(0).spent


def test_threads_lose_no_second() -> None:
    budget = Budget(1000.0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(budget.spend, [0.25] * 4000))
    assert budget.left == 0.0


def test_waiting_costs_nothing_and_work_does() -> None:
    budget = Budget(5.0)
    with budget.timed():
        time.sleep(0.05)
    assert budget.left > 4.96
    with budget.timed():
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
    assert budget.left < 4.96


def test_a_block_that_fails_is_paid_too() -> None:
    budget = Budget(5.0)
    with pytest.raises(ValueError, match="broken"), budget.timed():
        raise ValueError("broken")
    assert budget.left < 5.0
