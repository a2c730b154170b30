"""The versions as the models page shows them."""

import pytest

from ml.models import registry
from ml.storage.database import in_transaction
from ml.storage.model_versions import load_evaluation
from ml.storage.read.model_listing import Overview, load_comparison, load_listing, load_overview
from tests.support.measured_candidate import RUN, MeasuredCandidate
from tests.support.servers import Shop
from tests.support.versions import add_version_row, set_gate_decision, start_retraining_run

pytestmark = pytest.mark.integration


def _overview(shop: Shop) -> Overview:
    return in_transaction(shop.connections.engine, load_overview)


def test_versions_with_figures_gates_and_switches(
    shop: Shop, measured_candidate: MeasuredCandidate
) -> None:
    candidate = measured_candidate.add_to(shop)
    set_gate_decision(shop, candidate, held_by="latency")
    found = _overview(shop)
    assert found.champion is not None
    assert found.champion.model_hash == shop.model_hash
    assert [s.reason for s in found.champion.switches] == ["test"]
    assert found.champion.measured is None
    version = found.versions[0]
    assert (version.model_hash, version.is_champion) == (candidate, False)
    assert version.measured is not None
    assert version.measured["accuracy"] == 0.0
    assert version.golden == "golden-2026-10"
    assert [g["name"] for g in version.gates if not g["passed"]] == ["latency"]
    assert in_transaction(shop.connections.engine, lambda c: load_listing(c, candidate)) == version
    assert in_transaction(shop.connections.engine, lambda c: load_listing(c, "f" * 64)) is None


def test_a_run_waits_while_its_candidate_may_be_promoted_and_a_person_is_asked(
    shop: Shop,
) -> None:
    candidate = add_version_row(shop, "c")
    start_retraining_run(shop, "month", candidate)
    assert _overview(shop).waiting == ()
    set_gate_decision(shop, candidate)
    (waiting,) = _overview(shop).waiting
    assert (waiting.run_id, waiting.candidate, waiting.champion) == (
        "month", candidate, shop.model_hash,
    )  # fmt: skip
    set_gate_decision(shop, candidate, held_by="latency")
    assert _overview(shop).waiting == ()
    set_gate_decision(shop, candidate, compared_with=candidate)
    assert _overview(shop).waiting == ()
    set_gate_decision(shop, candidate)
    shop.execute("update moderation.retrain_run set state = 'rejected'")
    assert _overview(shop).waiting == ()
    shop.execute(
        "update moderation.retrain_run set state = 'running', "
        "policy = jsonb_set(policy, '{retraining,approval}', '\"auto\"')"
    )
    assert _overview(shop).waiting == ()


def test_two_versions_are_compared_where_a_run_did(
    shop: Shop, measured_candidate: MeasuredCandidate
) -> None:
    candidate = measured_candidate.add_to(shop)
    engine, champion = shop.connections.engine, shop.model_hash
    report = in_transaction(engine, lambda c: load_evaluation(c, candidate))
    assert report is not None
    assert report["run_id"] == RUN
    for pair in ((candidate, champion), (champion, candidate)):
        assert in_transaction(engine, lambda c, p=pair: load_comparison(c, *p)) == report  # type: ignore[misc]
    assert in_transaction(engine, lambda c: load_comparison(c, champion, champion)) is None


def test_without_a_champion_there_is_none(shop: Shop) -> None:
    shop.execute("delete from moderation.champion")
    assert _overview(shop).champion is None
    registry.promote(shop.model_hash, engine=shop.connections.engine, by="x", reason="y")
