"""Invariant 3: a promotion during a nightly run changes nothing until the next run."""

from pathlib import Path

import pytest

from ml.models import registry
from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.score_shard import score_shard
from tests.support.nightly_run import finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, photo
from tests.support.retraining import make_version
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_running_nightly_run_keeps_its_model_after_a_promotion(shop: Shop, tmp_path: Path) -> None:
    for i in range(12):
        shop.upload(f"{i:02}.jpg", photo(BRIGHT, seed=i))
    parts = {"connections": shop.connections}
    settings = shop.settings.model_copy(update={"shard_size": 6})
    second = _register_opposite(shop, tmp_path / "second")
    preflight("night", shop.window, settings=settings, **parts)
    shards = start_run(_with(shop, settings))
    assert len(shards) == 2
    score_shard(shards[0], settings=settings, **parts)
    registry.promote(second, engine=shop.connections.engine, by="test", reason="test")
    # Neither a retry of the first step nor the second shard uses the new champion.
    retried = preflight("night", shop.window, settings=settings, **parts)
    assert retried.model_hash == shop.model_hash
    score_shard(shards[1], settings=settings, **parts)
    finish_run(shop)
    assert shop.rows("select model_hash, count(*) from moderation.verdict group by 1") == [
        (shop.model_hash, 12)
    ]
    # The recorded version also computed the scores: to the other one, bright is a violation.
    assert all(float(str(score)) < 0.5 for score in _scores(shop, "night"))
    run_nightly(shop, "next")
    used = "select distinct model_hash from moderation.audit_result where run_id = 'next'"
    assert shop.rows(used) == [(second,)]


def _register_opposite(shop: Shop, folder: Path) -> str:
    """A version whose verdicts are the opposite of the champion's."""
    make_version(folder, seed=1, inverted=True)
    parts = shop.connections
    return registry.register(folder, engine=parts.engine, store=parts.models)


def _scores(shop: Shop, run_id: str) -> list[object]:
    query = "select violation_score from moderation.audit_result where run_id = :r"
    found = [score for (score,) in shop.rows(query, r=run_id)]
    assert found
    return found


def _with(shop: Shop, settings: object) -> Shop:
    return Shop(settings, shop.connections, shop.window, shop.model_hash)  # type: ignore[arg-type]
