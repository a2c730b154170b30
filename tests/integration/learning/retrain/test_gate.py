"""The gates' decision, stored with the version and on the page."""

from pathlib import Path
from typing import Any

import pytest

from ml.core.errors import ModelError, RunNotStarted
from ml.learning.retrain.evaluate import evaluate_candidate
from ml.learning.retrain.gate import gate_candidate
from tests.integration.learning.retrain.test_evaluate import evaluate, photos, stored
from tests.support.retraining import RetrainingRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def month(shop: Shop, tmp_path: Path) -> RetrainingRun:
    return RetrainingRun(shop, tmp_path / "versions")


def gate(month: RetrainingRun) -> dict[str, Any]:
    return gate_candidate(month.run_id, connections=month.shop.connections)


def written(month: RetrainingRun, candidate: str) -> list[tuple[object, ...]]:
    return month.shop.rows(
        "select gate_decision, gates from moderation.model_version where model_hash = :h",
        h=candidate,
    )


def test_better_candidate_passes_the_gates(month: RetrainingRun) -> None:
    candidate = month.register("candidate", seed=1, probe=True)
    champion = month.register("champion", inverted=True)
    month.begin(photos(), candidate=candidate, champion=champion)
    report = evaluate(month)
    assert report["servable"]["ok"], report["servable"]["detail"]
    assert report["servable"]["largest_difference"] < 1e-4
    gated = gate(month)
    assert gated["decision"] == "promote", [g for g in gated["gates"] if not g["passed"]]
    assert written(month, candidate) == [("promote", gated["gates"])]
    assert month.run().state == "running"
    page = stored(month, "report.html").decode()
    assert f"All {len(gated['gates'])} release checks passed" in page
    assert "Not checked yet" not in page
    assert page.count('src="data:image/') > len(report["plots"])


def test_worse_candidate_is_held_with_the_failed_gates_named(month: RetrainingRun) -> None:
    candidate = month.register("candidate", inverted=True)
    month.begin(photos(20), candidate=candidate, champion=month.shop.model_hash)
    evaluate(month)
    gated = gate(month)
    failed = {g["name"]: g["reason"] for g in gated["gates"] if not g["passed"]}
    assert gated["decision"] == "hold"
    assert {"no_regression:accuracy", "no_regression:leak", "servable"} <= set(failed)
    run = month.run()
    assert run.state == "held"
    assert all(f"{name}: {reason}" in run.reason for name, reason in failed.items())
    page = stored(month, "report.html").decode()
    assert f"Held: {len(failed)} of {len(gated['gates'])} release checks failed" in page
    assert "暂缓上线" in page
    assert gate(month) == gated
    assert month.run() == run
    # A held run's report stands, and with it the gates.
    parts = {"settings": month.shop.settings, "connections": month.shop.connections}
    evaluate_candidate(month.run_id, **parts)
    assert written(month, candidate) == [("hold", gated["gates"])]


def test_gating_without_a_report_raises(month: RetrainingRun) -> None:
    month.begin(photos(2), candidate=month.shop.model_hash, champion=None)
    with pytest.raises(RunNotStarted, match="evaluate"):
        gate(month)


def test_report_against_another_champion_is_rejected(month: RetrainingRun) -> None:
    candidate = month.register("candidate", seed=1)
    month.begin(photos(2), candidate=candidate, champion=None)
    evaluate(month)
    month.set(champion_hash=month.shop.model_hash)
    with pytest.raises(ModelError, match="run `evaluate` again"):
        gate(month)
    assert written(month, candidate) == [(None, None)]
