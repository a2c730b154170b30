"""OCR budgets: all photos at low load, the likeliest under load, and a limit per request."""

import random

from ml.moderation.pipeline.ocr_budget import OcrCost
from ml.moderation.serving.screens import SPAN_SECONDS, RequestOcrBudget, SharedOcrBudget
from tests.support.manual_clock import ManualClock

COST = 0.25


def read_of(likelihoods: list[float], *, share: float, gap: float) -> list[float]:
    """The likelihoods that were read, with one photo per `gap` seconds."""
    clock = ManualClock()
    budget = SharedOcrBudget(share, clock)
    read = []
    for likelihood in likelihoods:
        clock.now += gap
        if budget.admits(likelihood):
            clock.now += COST
            budget.add_cost(OcrCost(COST, COST, succeeded=True))
            read.append(likelihood)
    return read


def test_shared_ocr_budget_admits_all_photos_at_low_load() -> None:
    likelihoods = [n * 0.37 % 1 for n in range(100)]
    assert read_of(likelihoods, share=0.5, gap=2.0) == likelihoods


def test_shared_ocr_budget_admits_the_likeliest_under_load() -> None:
    draw = random.Random(7)  # noqa: S311 - any order works
    likelihoods = [draw.random() for _ in range(4000)]
    read = read_of(likelihoods, share=0.2, gap=0.1)
    seconds = 4000 * 0.1 + len(read) * COST
    assert len(read) * COST <= 0.2 * (seconds + SPAN_SECONDS) + COST
    assert len(read) > 100
    # The budget starts full; after the first minute the ranks decide.
    late = read[len(read) // 2 :]
    assert sum(late) / len(late) > 0.75


def test_shared_ocr_budget_without_a_share_admits_none() -> None:
    assert read_of([0.9, 1.0], share=0.0, gap=1.0) == []


def test_shared_ocr_budget_forgets_photos_after_a_minute() -> None:
    clock = ManualClock()
    budget = SharedOcrBudget(0.005, clock)  # a minute pays for one photo
    assert budget.admits(0.9)
    assert not budget.admits(0.5)
    clock.now += SPAN_SECONDS + 1
    assert budget.admits(0.5)


def test_shared_ocr_budget_reads_again_after_a_failure_that_took_long() -> None:
    """One photo whose worker died must not end reading until the model is loaded again."""
    clock = ManualClock()
    budget = SharedOcrBudget(0.05, clock)
    assert budget.admits(0.9)
    budget.add_cost(OcrCost(60.0, 60.0, succeeded=False))
    assert not budget.admits(0.9)
    clock.now += 60.0 / 0.05
    assert budget.admits(0.9)


def test_request_ocr_budget_limits_a_single_request() -> None:
    clock = ManualClock()
    service = SharedOcrBudget(1.0, clock)
    request = RequestOcrBudget(service, 0.0)
    assert not request.admits(1.0)
    assert RequestOcrBudget(service, 1.0).admits(1.0)


def test_ocr_budgets_charge_cpu_time_shared_and_wall_clock_per_request() -> None:
    """A waiting thread costs no CPU time, but the caller waits for it."""
    service = SharedOcrBudget(1.0, ManualClock())
    request = RequestOcrBudget(service, 0.01)
    request.add_cost(OcrCost(0.05, 0.0, succeeded=True))
    assert not request.admits(1.0)
    assert RequestOcrBudget(service, 0.01).admits(1.0)
    assert service._budget.level > SPAN_SECONDS - 0.04
