"""A dry run counts what a real one deletes, and changes nothing."""

from pathlib import Path

import pytest
import yaml
from sqlalchemy import Connection

from ml.core.errors import StorageUnavailable
from ml.learning.retrain.evaluate import evaluate_candidate
from ml.models import registry
from ml.operations.retention import steps
from ml.operations.retention.purge import Plan, Purging
from ml.storage import connections, retrain_runs, shadow_verdicts
from ml.storage.database import in_transaction
from ml.storage.purge import Count
from tests.support.backdated_rows import dump_database, purge, purge_plan
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.retraining import GoldenSpec, RetrainingRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ALL = {
    "verdict_days": 400, "quarantine_days": 180, "shadow_verdict_days": 180,
    "training_artifact_days": 60, "report_photo_days": 180, "archived_photo_days": 365,
}  # fmt: skip


@pytest.fixture
def full(own: Shop, tmp_path: Path) -> Shop:
    """Expired data of each kind."""
    engine, parts = (
        own.connections.engine,
        {"settings": own.settings, "connections": own.connections},
    )
    retraining = RetrainingRun(own, tmp_path / "versions")
    candidate = retraining.register("candidate", seed=1)
    champion = retraining.register("champion", inverted=True)
    own.upload("passes.jpg", photo(BRIGHT, seed=1))
    own.upload("broken.jpg", b"no photo")
    in_transaction(engine, lambda c: shadow_verdicts.request(c, candidate))
    run_nightly(own, "first")
    in_transaction(engine, lambda c: shadow_verdicts.withdraw(c, candidate))
    registry.promote(candidate, engine=engine, by="test", reason="test")
    own.upload("broken.jpg", photo(BRIGHT, seed=2), row=False)
    run_nightly(own, "second")
    retraining.begin([GoldenSpec(photo(DARK), "violate")], candidate=candidate, champion=champion)
    evaluate_candidate(retraining.run_id, **parts)
    in_transaction(engine, lambda c: retrain_runs.finish(c, retraining.run_id, "held", "test"))
    own.connections.models.put("training/a/epoch.safetensors", b"epoch")
    label_photos(own, [archive_photo(own, photo(DARK, seed=3))], "violate")
    return own


def _results(shop: Shop, planned: Plan) -> dict[str, tuple[int, int]]:
    """Items and bytes by kind."""
    found = {}
    for kind in steps.KINDS:
        purged = purge(shop, kind, planned)
        found[kind] = (purged.items, purged.bytes)
    return found


def test_dry_run_counts_all_kinds_and_writes_nothing(full: Shop) -> None:
    before = dump_database(full)
    counted = _results(full, purge_plan(dry_run=True, ahead=500, **ALL))
    assert dump_database(full) == before
    assert all(items > 0 and size > 0 for items, size in counted.values()), counted
    assert _results(full, purge_plan(ahead=500, **ALL)) == counted
    assert dump_database(full) != before


@pytest.mark.usefixtures("no_waiting")
def test_database_rejects_writes_of_dry_run(full: Shop) -> None:
    plan = purge_plan(dry_run=True, verdict_days=400)
    purging = Purging("verdicts", 400, plan, full.connections, full.settings)

    def careless(connection: Connection) -> Count:
        connection.exec_driver_sql("delete from moderation.verdict")
        return Count()

    with pytest.raises(StorageUnavailable, match="read-only"):
        purging.batch(careless)


def test_steps_follow_policy_file(full: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = yaml.safe_load(full.settings.policy_file.read_text(encoding="utf-8"))
    policy["retention"] = {"training_artifact_days": 60}
    full.settings.policy_file.write_text(yaml.safe_dump(policy), encoding="utf-8")
    for module in (steps, connections):
        monkeypatch.setattr(module, "load_settings", lambda: full.settings)
    cutoff = purge_plan(ahead=61).cutoff
    planned = steps.plan("run", interval_end=None, run_after=cutoff, dry_run=None, manual=False)
    results = [steps.purge(kind, planned) for kind in steps.KINDS]
    assert {r["kind"] for r in results if r["days"] is not None} == {"training_artifacts"}
    assert "| 60 | 1 | 5 B |" in steps.note(planned, results)


def test_empty_policy_section_deletes_nothing(full: Shop) -> None:
    before = dump_database(full)
    _results(full, purge_plan(ahead=9999))
    assert dump_database(full) == before
    assert purge(full, "verdicts", purge_plan()).days is None
