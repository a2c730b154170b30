from pathlib import Path

import pytest

from ml.operations.retention.purge import Purged
from ml.operations.retention.verdicts import purge_shadow_verdicts
from ml.storage import retrain_runs, shadow_verdicts
from ml.storage.database import in_transaction
from tests.support.backdated_rows import backdate_run, purge_plan
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop
from tests.support.versions import add_version, start_retraining_run

pytestmark = pytest.mark.integration


@pytest.fixture
def candidate(shop: Shop, tmp_path: Path) -> str:
    """A candidate that judged two photos long ago, beside the champion; its month is over."""
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


def _purge(shop: Shop, **days: int) -> Purged:
    return purge_shadow_verdicts(purge_plan(**days), shop.connections)


def test_they_go_when_night_and_month_are_over(shop: Shop, candidate: str) -> None:
    assert candidate
    assert _purge(shop, shadow_verdict_days=180).items == 2
    assert shop.rows("select 1 from moderation.shadow_verdict") == []
    assert len(shop.rows("select 1 from moderation.verdict")) == 2


def test_they_stay_while_the_candidate_is_in_the_shadow(shop: Shop, candidate: str) -> None:
    in_transaction(shop.connections.engine, lambda c: shadow_verdicts.request(c, candidate))
    assert _purge(shop, shadow_verdict_days=180).items == 0


def test_they_stay_while_the_month_runs(shop: Shop, candidate: str) -> None:
    assert candidate
    shop.execute("update moderation.retrain_run set state = 'running'")
    assert _purge(shop, shadow_verdict_days=180).items == 0


def test_they_stay_within_the_days_and_where_none_are_named(shop: Shop, candidate: str) -> None:
    assert candidate
    assert _purge(shop, shadow_verdict_days=600).items == 0
    assert _purge(shop) == Purged("shadow_verdicts", None)
