"""A failing or slow bucket and a restarting database: retries, then an error with the cause."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from devtools.embedded.postgres import EmbeddedPostgres
from ml.core.errors import ShardIncomplete, StorageForbidden, StorageUnavailable
from ml.moderation.nightly.score_shard import score_shard
from ml.storage.connections import Connections
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.faulty_proxy import Fault, faulty_proxy
from tests.support.nightly_run import finish_run, start_run
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration
PHOTOS = 40
TRIES_THAT_FAIL = 2  # fewer than the attempts of the store


def _fill(shop: Shop) -> None:
    for i in range(PHOTOS):
        shop.upload(f"{i:03}.jpg", photo(seed=i))


@contextmanager
def _through(shop: Shop, url: str) -> Iterator[Connections]:
    settings = shop.settings
    client = s3_client(settings.model_copy(update={"s3_endpoint_url": url}))
    with closing(client):
        yield replace(shop.connections, photos=ObjectStore(client, settings.photo_bucket))


def _judge_through(shop: Shop, fault: Fault) -> dict[str, int]:
    endpoint = shop.settings.s3_endpoint_url or ""
    (shard,) = start_run(shop)
    with faulty_proxy(endpoint, fault) as url, _through(shop, url) as connections:
        return score_shard(shard, settings=shop.settings, connections=connections)


def test_intermittent_bucket_errors_lose_no_photo(shop: Shop) -> None:
    _fill(shop)
    tries: Counter[str] = Counter()

    def fault(_: str, path: str) -> int | str | None:
        tries[path] += 1
        # By photo and not in turn: one photo could get every fault by chance.
        kind = (500, 503, "cut")[sum(path.encode()) % 3]
        return kind if tries[path] <= TRIES_THAT_FAIL else None

    assert _judge_through(shop, fault)["judged"] == PHOTOS
    assert finish_run(shop)["judged"] == PHOTOS


@pytest.mark.usefixtures("no_waiting")
def test_photo_that_is_never_fetched_is_retried_then_quarantined(shop: Shop) -> None:
    _fill(shop)

    def fault(_: str, path: str) -> int | None:
        return 500 if "007.jpg" in path else None

    for _ in range(2):
        with pytest.raises(ShardIncomplete, match="1 images of shard 0"):
            _judge_through(shop, fault)
    assert _judge_through(shop, fault) == {"judged": 0, "quarantined": 1}
    assert finish_run(shop)["quarantine_reasons"] == {"unreachable": 1}


@pytest.mark.usefixtures("no_waiting")
def test_unreachable_bucket_stops_the_shard_and_quarantines_no_photo(shop: Shop) -> None:
    _fill(shop)
    with pytest.raises(StorageUnavailable):
        _judge_through(shop, lambda *_: 503)
    assert shop.rows("select count(*) from moderation.quarantine") == [(0,)]
    assert shop.rows("select max(fetch_failures) from moderation.audit_image") == [(0,)]


def test_revoked_permissions_stop_the_shard_and_are_not_reported_as_absent(shop: Shop) -> None:
    _fill(shop)
    with pytest.raises(StorageForbidden, match="check the access key"):
        _judge_through(shop, lambda *_: 403)


def test_single_forbidden_photo_is_quarantined_as_forbidden(shop: Shop) -> None:
    _fill(shop)
    _judge_through(shop, lambda _, path: 403 if "007.jpg" in path else None)
    assert finish_run(shop)["quarantine_reasons"] == {"forbidden": 1}


def test_slow_bucket_response_is_retried(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(shop)
    monkeypatch.setattr("ml.storage.s3_client.READ_TIMEOUT_SECONDS", 1)
    slow = iter(["hang", None, "hang"])
    assert _judge_through(shop, lambda *_: next(slow, None))["judged"] == PHOTOS


def test_shard_survives_a_database_restart(shop: Shop, servers_folder: Path) -> None:
    _fill(shop)
    done = threading.Event()
    server = EmbeddedPostgres(servers_folder / "postgres")

    def restart() -> None:
        server.stop()
        server.start()

    def fault(_: str, path: str) -> None:
        if "010.jpg" in path and not done.is_set():
            done.set()
            threading.Thread(target=restart).start()
        time.sleep(0.02)

    assert _judge_through(shop, fault)["judged"] == PHOTOS
    assert done.is_set()
    assert finish_run(shop)["judged"] == PHOTOS
