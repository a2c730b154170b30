"""Invariant 3: a promotion during the night changes nothing until the next run."""

from pathlib import Path

import pytest

from ml.audit.judge import judge
from ml.audit.preflight import preflight
from ml.model import registry
from tests.support.night import finish, run_night, start
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.versions import add_version

pytestmark = pytest.mark.integration


def test_a_running_night_keeps_its_version_whatever_is_promoted(shop: Shop, tmp_path: Path) -> None:
    for i in range(12):
        shop.upload(f"{i:02}.jpg", photo(BRIGHT, seed=i))
    parts = {"connections": shop.connections}
    settings = shop.settings.model_copy(update={"shard_images": 6})
    second = add_version(shop, tmp_path / "second")
    preflight("night", shop.window, settings=settings, **parts)
    shards = start(_with(shop, settings))
    assert len(shards) == 2
    judge(shards[0], settings=settings, **parts)
    registry.promote(second, engine=shop.connections.engine, by="test", reason="test")
    # Neither a retry of the first step nor the second shard looks at the champion of now.
    retried = preflight("night", shop.window, settings=settings, **parts)
    assert retried.model_hash == shop.model_hash
    judge(shards[1], settings=settings, **parts)
    finish(shop)
    assert shop.rows("select model_hash, count(*) from moderation.verdict group by 1") == [
        (shop.model_hash, 12)
    ]
    run_night(shop, "next")
    used = "select distinct model_hash from moderation.audit_result where run_id = 'next'"
    assert shop.rows(used) == [(second,)]


def _with(shop: Shop, settings: object) -> Shop:
    return Shop(settings, shop.connections, shop.window, shop.model_hash)  # type: ignore[arg-type]
