"""The leak bound holds in simulated months whose true leak rate is known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.core.stats import upper_bound
from ml.models.card import Thresholds
from ml.models.evaluation.calibration import GRID, solve_threshold
from ml.models.evaluation.held_out_labels import hold_out

RATE, CONFIDENCE, DEFAULT = 0.03, 0.95, 0.7
MONTHS = 200
PEOPLE = 200_000

Rng = np.random.Generator
Floats = np.ndarray
Bools = np.ndarray


@dataclass(frozen=True)
class Population:
    """A shop's photos: the model's violation scores and the true labels."""

    scores: Floats
    truth: Bools

    def leak_rate(self, threshold: float) -> float:
        """Share of violations among the photos that pass."""
        passing = (1.0 - self.scores >= threshold) & (self.scores < 0.5)
        return float(self.truth[passing].mean()) if passing.any() else 0.0


def _calibrated(violations: float, bad: tuple[float, float], good: tuple[float, float]):  # noqa: ANN202 - returns a population factory
    def make(rng: Rng) -> Population:
        side = rng.random(PEOPLE) < violations
        scores = np.where(side, rng.beta(*bad, PEOPLE), rng.beta(*good, PEOPLE))
        return Population(scores, rng.random(PEOPLE) < scores)

    return make


def _overconfident(rng: Rng) -> Population:
    """Low scores are less than a third of the true probability."""
    scores = np.where(rng.random(PEOPLE) < 0.2, rng.beta(6, 2, PEOPLE), rng.beta(0.7, 20, PEOPLE))
    return Population(scores, rng.random(PEOPLE) < np.minimum(1.0, 0.015 + 0.8 * scores))


def _at_the_border(rng: Rng) -> Population:
    """Every threshold exceeds the bound slightly: the hardest case to reject."""
    return Population(rng.beta(0.7, 10, PEOPLE), rng.random(PEOPLE) < 1.02 * RATE)


SHAPES: dict[str, Callable[[Rng], Population]] = {
    "clean": _calibrated(0.15, (8, 2), (0.4, 20)),
    "usual": _calibrated(0.15, (8, 2), (0.5, 12)),
    "hard": _calibrated(0.3, (3, 2), (1, 5)),
    "overconfident": _overconfident,
    "at_the_border": _at_the_border,
}


def _everyone(_: Rng, __: Population, photos: int) -> tuple[Floats, Floats]:
    """All photos are labelled: row numbers and weights."""
    return np.arange(photos), np.ones(photos)


def _audit(rng: Rng, population: Population, photos: int) -> tuple[Floats, Floats]:
    """Reviewed: what an earlier, noisier model was unsure of, and a tenth of what it passed."""
    scores = population.scores[: 6 * photos]
    noise = rng.normal(0.0, 0.1, len(scores))
    share = np.where(scores + noise > 0.2, 1.0, 0.1)
    rows = np.flatnonzero(rng.random(len(scores)) < share)[:photos]
    return rows, 1.0 / share[rows]


def _months(shape: str, labelling: str, photos: int | None = None):  # noqa: ANN202 - yields (population, scores, truth, weights)
    rng = np.random.default_rng([sorted(SHAPES).index(shape), len(labelling)])
    whole = SHAPES[shape](rng)
    choose = {"everyone": _everyone, "audit": _audit}[labelling]
    for _ in range(MONTHS):
        start = rng.integers(0, PEOPLE - 18_000)
        part = Population(whole.scores[start : start + 18_000], whole.truth[start : start + 18_000])
        rows, weights = choose(rng, part, photos or int(rng.integers(500, 3000)))
        yield whole, part.scores[rows], part.truth[rows], weights


def _solve(scores: Floats, truth: Bools, weights: Floats, rate: float = RATE) -> Thresholds:
    labels = hold_out(scores, truth, weights)
    return solve_threshold(labels, rate=rate, confidence=CONFIDENCE, default=DEFAULT)


@pytest.mark.parametrize("labelling", ["everyone", "audit"])
@pytest.mark.parametrize("shape", SHAPES)
def test_true_leak_rate_exceeds_the_bound_in_few_runs(shape: str, labelling: str) -> None:
    broken = 0
    for population, *labels in _months(shape, labelling):
        found = _solve(*labels)
        if found.evidence is not None:
            broken += population.leak_rate(found.pass_confidence) > RATE
    assert broken <= (1.0 - CONFIDENCE) * MONTHS


@pytest.mark.parametrize("shape", ["usual", "at_the_border"])
def test_plain_estimate_would_exceed_the_bound(shape: str) -> None:
    """The simulation is hard enough to distinguish a bound from a plain estimate."""
    broken = 0
    for population, scores, truth, _ in _months(shape, "everyone"):
        for threshold in GRID:
            passing = (1.0 - scores >= threshold) & (scores < 0.5)
            if passing.any() and truth[passing].mean() <= RATE:
                broken += population.leak_rate(threshold) > RATE
                break
    assert broken > 0.2 * MONTHS


def test_many_clean_labels_give_a_low_threshold() -> None:
    found = [_solve(*labels) for _, *labels in _months("clean", "everyone", 3000)]
    useful = [f for f in found if f.evidence is not None and f.pass_confidence < GRID[-1]]
    assert len(useful) > 0.9 * MONTHS


def test_few_heavy_labels_keep_the_bound() -> None:
    """All leaks are where a tenth of the photos is reviewed; Kish's effective size would fail."""
    rng = np.random.default_rng(5)
    weights = np.repeat([10.0, 1.0], [20, 900])
    chance = np.where(weights > 1.0, 1.02 * RATE * weights.sum() / 200.0, 0.0)
    truths = [rng.random(len(weights)) < chance for _ in range(MONTHS)]
    found = [_solve(np.zeros(len(weights)), truth, weights) for truth in truths]
    assert sum(f.evidence is not None for f in found) <= (1.0 - CONFIDENCE) * MONTHS
    unit = (weights**2).sum() / weights.sum()
    leaked, passed = np.array([weights[t].sum() for t in truths]) / unit, weights.sum() / unit
    kish = upper_bound(leaked, np.full(MONTHS, passed), 1.0 - (1.0 - CONFIDENCE) / len(GRID))
    assert (kish <= RATE).sum() > (1.0 - CONFIDENCE) * MONTHS


labels = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([1.0, 1.0, 10.0])),
    min_size=1,
    max_size=60,
).map(lambda rows: rows * 12)  # with few labels no threshold is found


def _columns(rows: list[tuple[float, bool, float]]) -> tuple[Floats, Bools, Floats]:
    scores, truth, weights = zip(*rows, strict=True)
    return np.array(scores) * 0.4, np.array(truth), np.array(weights)


def _strictness(found: Thresholds) -> float:
    return 2.0 if found.evidence is None else found.pass_confidence


@given(labels, st.floats(0.01, 0.6), st.floats(0.01, 0.6))
def test_stricter_rate_never_gives_a_lower_threshold(
    rows: list[tuple[float, bool, float]], a: float, b: float
) -> None:
    columns = _columns(rows)
    strict, lax = sorted((a, b))
    assert _strictness(_solve(*columns, rate=strict)) >= _strictness(_solve(*columns, rate=lax))


@given(labels, st.data(), st.floats(0.01, 0.6))
def test_more_leaks_never_lower_bound_or_threshold(
    rows: list[tuple[float, bool, float]], data: st.DataObject, rate: float
) -> None:
    scores, truth, weights = _columns(rows)
    worse = truth | np.array(
        data.draw(st.lists(st.booleans(), min_size=12, max_size=12)) * (len(rows) // 12)
    )
    before, after = _solve(scores, truth, weights, rate), _solve(scores, worse, weights, rate)
    assert _strictness(after) >= _strictness(before)
    same = before.pass_confidence == after.pass_confidence
    if before.evidence and after.evidence and same:
        assert after.evidence.upper_bound >= before.evidence.upper_bound


@given(labels, st.sampled_from([2.0, 3.0, 10.0, 20.0]))
def test_equal_weights_give_the_same_result_as_counts(
    rows: list[tuple[float, bool, float]], w: float
) -> None:
    scores, truth, _ = _columns(rows)
    one = _solve(scores, truth, np.ones(len(scores)), 0.2)
    assert _solve(scores, truth, np.full(len(scores), w), 0.2) == one
    if one.evidence is not None:
        passing = 1.0 - scores >= one.pass_confidence
        assert (one.evidence.passed, one.evidence.leaked) == (passing.sum(), truth[passing].sum())
