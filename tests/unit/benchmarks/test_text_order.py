"""The orders of reading that the benchmark compares: what they read, and what of the budget."""

import random

from benchmarks.text_order import ChosenTexts, Rule, _read_at_once, _reads_of_last, _simulate

SHARE = 0.05


def likelihoods() -> list[float]:
    """Of 1,500 photos, a few without likely text."""
    draw = random.Random(3)  # noqa: S311 - any order works
    return [draw.choice((-1.0, draw.random(), draw.random())) for _ in range(1500)]


def sum_of_read(rule: Rule) -> tuple[ChosenTexts, float]:
    chosen = rule(likelihoods(), SHARE)
    return chosen, sum(likelihoods()[place] for place in chosen.places)


def test_batches_that_wait_use_the_budget_for_likelier_texts() -> None:
    at_once, sum_at_once = sum_of_read(_read_at_once)
    waiting, sum_waiting = sum_of_read(_reads_of_last(256))
    whole, sum_whole = sum_of_read(_reads_of_last(10**6))
    assert at_once.spent < 0.98 <= waiting.spent
    assert sum_at_once < sum_waiting <= sum_whole
    assert all(likelihoods()[place] >= 0 for place in waiting.places)
    best = sorted(likelihoods())[-len(whole.places) :]
    assert sorted(likelihoods()[place] for place in whole.places) == best


def test_simulation_counts_reads_by_category() -> None:
    scored = [("ad", 1.0)] * 5 + [("text", 0.05)] * 5 + [("normal", 0.5)] * 5
    read, spent, ads, texts = _simulate(scored, _reads_of_last(256), 1.0)
    assert (ads, texts) == ("100.0 %", "0.0 %")  # below the least likelihood that is read
    assert 97.0 < float(read.removesuffix(" %")) < 99.0
    assert spent.endswith(" %")
