import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.models.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    apply_temperature,
    fit_temperature,
)


def _drawn(temperature: float, photos: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose labels are drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(7)
    logits = rng.normal(0.0, 3.0, (photos, 3))
    chances = apply_temperature(logits, temperature)
    labels = (rng.random((photos, 1)) > chances.cumsum(axis=1)[:, :2]).sum(axis=1)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_temperature_recovers_the_temperature_of_the_labels(temperature: float) -> None:
    # Sampling error at 20,000 photos is about 1 %.
    assert fit_temperature(*_drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_fit_temperature_lowers_the_loss_of_an_overconfident_network() -> None:
    logits, labels = _drawn(3.0)
    rows = np.arange(len(labels))

    def nll(t: float) -> float:
        return float(-np.log(apply_temperature(logits, t)[rows, labels]).mean())

    assert nll(fit_temperature(logits, labels)) < nll(1.0) - 0.1


def test_fit_temperature_of_perfect_separation_is_the_minimum() -> None:
    logits = np.array([[4.0, -4.0], [-4.0, 4.0]] * 20)
    actual = fit_temperature(logits, np.array([0, 1] * 20))
    assert actual == pytest.approx(MIN_TEMPERATURE, rel=0.01)


def test_fit_temperature_of_random_predictions_is_the_maximum() -> None:
    logits = np.array([[4.0, -4.0]] * 40)
    actual = fit_temperature(logits, np.array([0, 1] * 20))
    assert actual == pytest.approx(MAX_TEMPERATURE, rel=0.01)


def test_fit_temperature_of_too_few_photos_is_one() -> None:
    assert fit_temperature(np.array([[4.0, -4.0]] * 19), np.zeros(19, dtype=np.int64)) == 1.0


@given(
    st.lists(st.lists(st.integers(-500, 500), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE),
)
def test_apply_temperature_keeps_the_predicted_class_and_rows_sum_to_one(
    rows: list[list[int]], temperature: float
) -> None:
    logits = np.array(rows) / 10
    actual = apply_temperature(logits, temperature)
    assert actual.sum(axis=1) == pytest.approx(1.0)
    top = actual[np.arange(len(rows)), logits.argmax(axis=1)]
    assert (top == actual.max(axis=1)).all()
