"""The OCR budget: what is in work is set aside, and failures do not enter the mean cost."""

from ml.core.budget import Budget
from ml.moderation.pipeline.ocr_budget import OcrBudget, OcrCost
from tests.support.manual_clock import ManualClock


def cost(seconds: float, *, succeeded: bool = True) -> OcrCost:
    return OcrCost(seconds, seconds, succeeded)


def test_reads_in_work_are_set_aside() -> None:
    budget = OcrBudget(Budget(1.0), expected_seconds=0.4)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]
    budget.add_cost(cost(0.1))
    assert budget.take()


def test_budget_that_covers_everything_begins_all_at_once() -> None:
    budget = OcrBudget(Budget(0.001), share=1.0)
    assert all(budget.take() for _ in range(100))


def test_empty_budget_begins_nothing() -> None:
    assert not OcrBudget(Budget(0.0)).take()


def test_spent_time_is_earned_again_before_the_next_read() -> None:
    clock = ManualClock()
    budget = OcrBudget(Budget(0.0, rate=0.1, clock=clock), 0.1)
    clock.now += 1.0
    assert budget.take()
    budget.add_cost(cost(0.5))
    assert not budget.take()
    clock.now += 3.9
    assert not budget.take()
    clock.now += 0.2
    assert budget.take()


def test_a_failure_is_charged_and_does_not_enter_the_mean_cost() -> None:
    budget = OcrBudget(Budget(5.0), expected_seconds=1.0)
    for _ in range(100):
        assert budget.take()
        budget.add_cost(cost(0.0, succeeded=False))
    assert [budget.take() for _ in range(6)] == [True] * 5 + [False]
    budget.add_cost(cost(5.0, succeeded=False))
    assert budget.budget.exhausted
