import numpy as np
import pytest
from sqlalchemy import Connection

from ml.operations.monitoring.drift import Drift, drift_of, scores_of
from ml.operations.monitoring.run_summary import find_run
from ml.storage.database import in_transaction
from tests.support.audit_rows import Rows

pytestmark = pytest.mark.integration


def drift(rows: Rows, run_id: str) -> Drift | None:
    def work(connection: Connection) -> Drift | None:
        nightly_run = find_run(connection, run_id)
        assert nightly_run is not None
        return drift_of(connection, nightly_run)

    return in_transaction(rows.engine, work)


def judge(rows: Rows, run_id: str, *, day: int, scores: list[float], model: str = "m") -> None:
    rows.nightly_run(run_id, day=day, model=model, listed=len(scores), judged=len(scores))
    rows.photos(run_id, scores, model=model)


def beta(a: float, b: float, photos: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).beta(a, b, photos).tolist()


def test_run_is_compared_with_the_first_runs_of_its_model(rows: Rows) -> None:
    judge(rows, "other", day=0, scores=beta(5, 1, 900), model="other")
    for day in (1, 2, 3):
        judge(rows, f"n{day}", day=day, scores=beta(1, 5, 600, seed=day))
    judge(rows, "same", day=4, scores=beta(1, 5, 900, seed=9))
    judge(rows, "moved", day=5, scores=beta(5, 1, 900, seed=9))
    same, moved = drift(rows, "same"), drift(rows, "moved")
    assert same is not None
    assert moved is not None
    # Two runs have 1,000 photos; the third is not needed.
    assert same.reference_runs == moved.reference_runs == ("n1", "n2")
    assert (same.reference_photos, same.current_photos) == (1200, 900)
    assert (same.sign, moved.sign) == ("none", "strong")


def test_first_run_of_a_model_has_no_drift(rows: Rows) -> None:
    judge(rows, "first", day=1, scores=beta(1, 5, 600))
    judge(rows, "later", day=2, scores=beta(1, 5, 600))
    assert drift(rows, "first") is None


def test_failed_and_empty_runs_are_no_reference(rows: Rows) -> None:
    rows.nightly_run("empty", day=0)
    rows.nightly_run("failed", day=1, state="failed", listed=500, judged=500)
    rows.photos("failed", beta(5, 1, 500))
    judge(rows, "now", day=2, scores=beta(1, 5, 600))
    assert drift(rows, "now") is None
    assert drift(rows, "empty") is None


def test_sample_of_a_large_run_is_the_same_each_time(rows: Rows) -> None:
    scores = beta(1, 5, 8000)
    judge(rows, "large", day=1, scores=scores)

    def sample() -> list[float]:
        found = in_transaction(rows.engine, lambda c: scores_of(c, "large", judged=8000))
        return sorted(found.tolist())

    first = sample()
    assert 3500 < len(first) < 4500  # every second key, by hash
    assert first == sample()
    assert np.mean(first) == pytest.approx(np.mean(scores), abs=0.02)


def test_photos_scored_by_another_run_do_not_count(rows: Rows) -> None:
    rows.nightly_run("n", day=1, judged=2, already_judged=3)
    rows.photos("n", [0.1, 0.2])
    rows.photos("n", [0.9] * 3, decision="review", outcome="already_judged")
    found = in_transaction(rows.engine, lambda c: scores_of(c, "n", judged=2))
    assert sorted(found.tolist()) == [0.1, 0.2]
