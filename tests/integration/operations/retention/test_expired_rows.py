"""Quarantine rows and shadow verdicts."""

from pathlib import Path

import pytest

from ml.moderation.nightly.reconcile import reconcile
from ml.operations.retention.purge import Purged
from ml.storage import retrain_runs, shadow_verdicts
from ml.storage.database import in_transaction
from tests.support.backdated_rows import backdate_run, purge, purge_plan
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop
from tests.support.versions import add_version, start_retraining_run

pytestmark = pytest.mark.integration


@pytest.fixture
def recovered(shop: Shop) -> Shop:
    """Four photos that were quarantined long ago; two of them can be scored by now."""
    for name in ("replaced", "broken", "late"):
        shop.upload(name, b"no photo", row=name != "late")
    absent = f"{shop.settings.photo_prefix}absent"
    shop.add_row(absent)
    run_nightly(shop, "first")
    backdate_run(shop, "first")
    shop.upload("replaced", photo(), row=False)
    shop.upload("absent", photo(seed=1), row=False)
    run_nightly(shop, "second")
    backdate_run(shop, "second")  # it quarantined the photos that it could not score either
    return shop


def _quarantined(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows("select object_key, etag from moderation.quarantine order by 1, 2")


def test_quarantine_row_is_deleted_once_newer_object_was_scored(recovered: Shop) -> None:
    prefix = recovered.settings.photo_prefix
    assert len(_quarantined(recovered)) == 4
    purged = purge(recovered, "quarantine", purge_plan(quarantine_days=180))
    # The broken photo and the one without a commerce row are unresolved.
    assert [key for key, _ in _quarantined(recovered)] == [f"{prefix}broken", f"{prefix}late"]
    assert purged.items == 2


def test_released_quarantine_row_is_deleted(recovered: Shop) -> None:
    recovered.execute(
        "update moderation.quarantine set released_by = 'r' where object_key like '%late'"
    )
    assert purge(recovered, "quarantine", purge_plan(quarantine_days=180)).items == 3


def test_quarantine_row_of_recent_run_is_kept(recovered: Shop) -> None:
    recovered.execute("update moderation.audit_run set started_at = now() where run_id = 'first'")
    assert purge(recovered, "quarantine", purge_plan(quarantine_days=180)).items == 0


def test_accounting_of_purged_run_balances(recovered: Shop) -> None:
    parts = {"settings": recovered.settings, "connections": recovered.connections}
    purge(recovered, "quarantine", purge_plan(quarantine_days=180))
    account = reconcile("first", **parts)
    assert (account.listed, account.quarantined, account.balanced) == (4, 4, True)


def test_quarantine_rows_are_kept_without_days_in_policy(recovered: Shop) -> None:
    assert purge(recovered, "quarantine", purge_plan()) == Purged("quarantine", None)


@pytest.fixture
def candidate(shop: Shop, tmp_path: Path) -> str:
    """A shadow model of an old nightly run; its retraining run has ended."""
    for n in range(2):
        shop.upload(f"{n}.jpg", photo(seed=n))
    version = add_version(shop, tmp_path)
    engine = shop.connections.engine
    in_transaction(engine, lambda c: shadow_verdicts.request(c, version))
    run_nightly(shop, "shadowed")
    backdate_run(shop, "shadowed")
    in_transaction(engine, lambda c: shadow_verdicts.withdraw(c, version))
    start_retraining_run(shop, "month", version)
    in_transaction(engine, lambda c: retrain_runs.finish(c, "month", "held", "test"))
    return version


def _purge_shadow_verdicts(shop: Shop, **days: int) -> Purged:
    return purge(shop, "shadow_verdicts", purge_plan(**days))


def test_shadow_verdicts_are_deleted_after_nightly_and_retraining_run(
    shop: Shop, candidate: str
) -> None:
    assert candidate
    assert _purge_shadow_verdicts(shop, shadow_verdict_days=180).items == 2
    assert shop.rows("select 1 from moderation.shadow_verdict") == []
    assert len(shop.rows("select 1 from moderation.verdict")) == 2


def test_shadow_verdicts_of_current_shadow_model_are_kept(shop: Shop, candidate: str) -> None:
    in_transaction(shop.connections.engine, lambda c: shadow_verdicts.request(c, candidate))
    assert _purge_shadow_verdicts(shop, shadow_verdict_days=180).items == 0


def test_shadow_verdicts_are_kept_during_retraining_run(shop: Shop, candidate: str) -> None:
    assert candidate
    shop.execute("update moderation.retrain_run set state = 'running'")
    assert _purge_shadow_verdicts(shop, shadow_verdict_days=180).items == 0


def test_recent_shadow_verdicts_are_kept_and_all_without_days(shop: Shop, candidate: str) -> None:
    assert candidate
    assert _purge_shadow_verdicts(shop, shadow_verdict_days=600).items == 0
    assert _purge_shadow_verdicts(shop) == Purged("shadow_verdicts", None)
