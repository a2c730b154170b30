"""A dry run finds what a real one deletes, and changes nothing at all."""

from pathlib import Path

import pytest
import yaml
from sqlalchemy import Connection
from sqlalchemy.exc import InternalError

from ml.model import registry
from ml.policy.retention import Retention
from ml.retention import steps
from ml.retention.plan import Plan
from ml.retention.purging import Count, Purging
from ml.retention.verdicts import purge_verdicts
from ml.retraining.evaluate import evaluate_candidate
from ml.storage import retrain_runs, shadow
from ml.storage.database import in_transaction
from tests.support.aged import everything, plan
from tests.support.labelled import keep, label
from tests.support.night import run_night
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.retraining import Golden, Month
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ALL = {
    "verdict_days": 400, "quarantine_days": 180, "shadow_verdict_days": 180, "training_days": 60,
    "report_photo_days": 180, "kept_photo_days": 365,
}  # fmt: skip


@pytest.fixture
def full(own: Shop, tmp_path: Path) -> Shop:
    """Something old of each kind."""
    engine, parts = (
        own.connections.engine,
        {"settings": own.settings, "connections": own.connections},
    )
    month = Month(own, tmp_path / "versions")
    candidate = month.register("candidate", seed=1)
    champion = month.register("champion", inverted=True)
    own.upload("passes.jpg", photo(BRIGHT, seed=1))
    own.upload("broken.jpg", b"no photo")
    in_transaction(engine, lambda c: shadow.request(c, candidate))
    run_night(own, "first")
    in_transaction(engine, lambda c: shadow.withdraw(c, candidate))
    registry.promote(candidate, engine=engine, by="test", reason="test")
    own.upload("broken.jpg", photo(BRIGHT, seed=2), row=False)
    run_night(own, "second")
    month.begin([Golden(photo(DARK), "violate")], candidate=candidate, champion=champion)
    evaluate_candidate(month.run_id, **parts)
    in_transaction(engine, lambda c: retrain_runs.finish(c, month.run_id, "held", "test"))
    own.connections.models.put("training/a/epoch.safetensors", b"epoch")
    label(own, [keep(own, photo(DARK, seed=3))], "violate")
    return own


def _results(shop: Shop, planned: Plan) -> dict[str, tuple[int, int]]:
    """Items and bytes a kind, as the workflow's steps find them."""
    found = {}
    for kind, purge in steps._PURGES.items():
        purged = purge(planned, shop.connections, shop.settings)
        found[kind] = (purged.items, purged.bytes)
    return found


def test_a_dry_run_counts_all_and_writes_nothing(full: Shop) -> None:
    before = everything(full)
    counted = _results(full, plan(dry_run=True, ahead=500, **ALL))
    assert everything(full) == before
    assert all(items > 0 and size > 0 for items, size in counted.values()), counted
    assert _results(full, plan(ahead=500, **ALL)) == counted
    assert everything(full) != before


def test_the_database_itself_refuses_a_dry_run_that_would_write(full: Shop) -> None:
    purging = Purging("verdicts", 400, plan(dry_run=True, verdict_days=400), full.connections)

    def careless(connection: Connection) -> Count:
        connection.exec_driver_sql("delete from moderation.verdict")
        return Count()

    with pytest.raises(InternalError, match="read-only"):
        purging.batch(careless)


def test_the_workflows_steps_follow_the_policy_file(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = yaml.safe_load(full.settings.policy_file.read_text(encoding="utf-8"))
    policy["retention"] = {"training_days": 60}
    full.settings.policy_file.write_text(yaml.safe_dump(policy), encoding="utf-8")
    monkeypatch.setattr(steps, "load_settings", lambda: full.settings)
    cut_off = plan(ahead=61).cut_off
    planned = steps.plan("run", interval_end=None, run_after=cut_off, dry_run=None, by_hand=False)
    results = [steps.purge(kind, planned) for kind in steps._PURGES]
    assert {r["kind"] for r in results if r["days"] is not None} == {"trainings"}
    assert "| 60 | 1 | 5 B |" in steps.note(planned, results)


def test_an_empty_section_deletes_nothing(full: Shop) -> None:
    before = everything(full)
    _results(full, Plan("run", plan(ahead=9999).cut_off, dry_run=False, retention=Retention()))
    assert everything(full) == before
    assert purge_verdicts(plan(), full.connections).days is None
